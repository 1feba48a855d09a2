"""What changed between two releases? Two records in, one document of changes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sparkyard.locks import jar_checks
from sparkyard.package_versions import COMPARE
from sparkyard.record.record import Packages, ParityRow, Record, RecordedImage, RecordedLayer

KINDS: Mapping[str, str] = {
    "debian": "Debian packages",
    "python": "Python packages",
    "jars": "jars",
    "r": "R packages",
}
"""What is compared, by the field of record.Packages, and what people call it."""

ADDED, REMOVED, UP, DOWN, CHANGED = "added", "removed", "up", "down", "changed"
"""What can happen to a package; "changed" is neither up nor down, as 1.0 and 1.0.0."""

SAME = "same"


@dataclass(frozen=True)
class Change:
    """A package whose version is another one: `before` or `after` is empty where there is none.

    `images` are those that it changed in.
    """

    kind: str
    name: str
    before: str
    after: str
    what: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """Bytes before and after; `compressed` as a registry sends them."""

    compressed_before: int
    compressed_after: int
    unpacked_before: int
    unpacked_after: int


@dataclass(frozen=True)
class LayerChanges:
    """Layers by digest: how many there are in both releases, and compressed bytes of each sort."""

    shared: int
    shared_bytes: int
    new: int
    new_bytes: int
    gone: int
    gone_bytes: int


@dataclass(frozen=True)
class ImageChanges:
    """An image: `what` is "added", "removed", "changed" or "same" (then its digest is the same).

    An image that was added or removed has no list of packages: all of them would be in it.
    """

    name: str
    what: str
    digest_before: str
    digest_after: str
    sizes: Sizes
    layers: LayerChanges
    packages: tuple[Change, ...]


@dataclass(frozen=True)
class ParityChange:
    """A row of the parity report that is not what it was; None where there was or is no such."""

    name: str
    before: ParityRow | None
    after: ParityRow | None


@dataclass(frozen=True)
class Changes:
    """All that changed.

    Attributes:
        before, after: the versions.
        images: every image of either release, in the later one's order.
        packages: the images' changes, each once, with the names of the images it is in.
        sizes, layers: of the family, in which a layer counts once however many images have it.
    """

    before: str
    after: str
    stack_before: str
    stack_after: str
    revision_before: str
    revision_after: str
    images: tuple[ImageChanges, ...]
    packages: tuple[Change, ...]
    sizes: Sizes
    layers: LayerChanges
    parity: tuple[ParityChange, ...]

    def of_kind(self, kind: str) -> tuple[Change, ...]:
        """Return the family's changes of one of `KINDS`."""
        return tuple(change for change in self.packages if change.kind == kind)

    def only(self, image: str) -> Changes:
        """Return what concerns one image."""
        chosen = tuple(each for each in self.images if each.name == image)
        packages = tuple(change for each in chosen for change in each.packages)
        return dataclasses.replace(
            self,
            images=chosen,
            packages=packages,
            sizes=chosen[0].sizes if chosen else Sizes(0, 0, 0, 0),
            layers=chosen[0].layers if chosen else LayerChanges(0, 0, 0, 0, 0, 0),
        )

    def as_document(self) -> dict[str, object]:
        """Return it ready for `json.dumps`."""
        return dataclasses.asdict(self)


def changes(before: Record, after: Record) -> Changes:
    """Return what changed from one release to another."""
    names = [image.name for image in after.images]
    names += [image.name for image in before.images if image.name not in names]
    images = tuple(_image(name, before.image(name), after.image(name)) for name in names)
    return Changes(
        before=before.version,
        after=after.version,
        stack_before=before.stack,
        stack_after=after.stack,
        revision_before=before.revision,
        revision_after=after.revision,
        images=images,
        packages=_over_images(images),
        sizes=_sizes(_distinct(before.images), _distinct(after.images)),
        layers=_layers(_distinct(before.images), _distinct(after.images)),
        parity=_parity(before.parity, after.parity),
    )


def jar_versions(files: Iterable[str]) -> dict[str, str]:
    """Return version by name for the files of some jars; several of one name are joined.

    A classifier belongs to the name: two of one artifact are two different things.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(set(files)):
        jar = jar_checks.name_of(file, where="")
        name = f"{jar.artifact}-{jar.classifier}" if jar.classifier else jar.artifact
        found.setdefault(name, []).append(jar.version)
    return {name: ", ".join(versions) for name, versions in found.items()}


def packages(before: Packages, after: Packages, image: str) -> tuple[Change, ...]:
    """Return the packages of an image that changed, kind by kind, by name."""
    found = []
    for kind in KINDS:
        old: Mapping[str, str] = getattr(before, kind)
        new: Mapping[str, str] = getattr(after, kind)
        found += [
            Change(kind, name, old.get(name, ""), new.get(name, ""), what, (image,))
            for name in sorted(old.keys() | new.keys(), key=lambda name: (name.lower(), name))
            if (what := _what(kind, old.get(name), new.get(name)))
        ]
    return tuple(found)


def _what(kind: str, before: str | None, after: str | None) -> str:
    if before == after:
        return ""
    if before is None:
        return ADDED
    if after is None:
        return REMOVED
    order = COMPARE[kind](after, before)
    return UP if order > 0 else DOWN if order < 0 else CHANGED


def _image(name: str, before: RecordedImage | None, after: RecordedImage | None) -> ImageChanges:
    sides = [tuple(side.layers) if side else () for side in (before, after)]
    found: tuple[Change, ...] = ()
    if before and after:
        what = SAME if before.digest == after.digest else CHANGED
        found = packages(before.packages, after.packages, name)
    else:
        what = ADDED if after else REMOVED
    return ImageChanges(
        name=name,
        what=what,
        digest_before=before.digest if before else "",
        digest_after=after.digest if after else "",
        sizes=_sizes(*sides),
        layers=_layers(*sides),
        packages=found,
    )


def _over_images(images: Iterable[ImageChanges]) -> tuple[Change, ...]:
    """Return each change once, with all the images that have it."""
    merged: dict[Change, tuple[str, ...]] = {}
    for image in images:
        for change in image.packages:
            alike = dataclasses.replace(change, images=())
            merged[alike] = (*merged.get(alike, ()), *change.images)
    order = list(KINDS)
    return tuple(
        dataclasses.replace(change, images=names)
        for change, names in sorted(
            merged.items(),
            key=lambda item: (order.index(item[0].kind), item[0].name.lower(), item[0].name),
        )
    )


def _distinct(images: Iterable[RecordedImage]) -> tuple[RecordedLayer, ...]:
    by_digest = {layer.digest: layer for image in images for layer in image.layers}
    return tuple(by_digest.values())


def _sizes(before: Iterable[RecordedLayer], after: Iterable[RecordedLayer]) -> Sizes:
    before, after = tuple(before), tuple(after)
    return Sizes(
        sum(layer.compressed for layer in before),
        sum(layer.compressed for layer in after),
        sum(layer.unpacked for layer in before),
        sum(layer.unpacked for layer in after),
    )


def _layers(before: Iterable[RecordedLayer], after: Iterable[RecordedLayer]) -> LayerChanges:
    old = {layer.digest: layer.compressed for layer in before}
    new = {layer.digest: layer.compressed for layer in after}
    shared = old.keys() & new.keys()
    return LayerChanges(
        len(shared),
        sum(new[digest] for digest in shared),
        len(new) - len(shared),
        sum(size for digest, size in new.items() if digest not in shared),
        len(old) - len(shared),
        sum(size for digest, size in old.items() if digest not in shared),
    )


def _parity(before: Iterable[ParityRow], after: Iterable[ParityRow]) -> tuple[ParityChange, ...]:
    old, new = {row.name: row for row in before}, {row.name: row for row in after}
    return tuple(
        ParityChange(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*new, *old])
        if _told(old.get(name)) != _told(new.get(name))
    )


def _told(row: ParityRow | None) -> tuple[str, ...] | None:
    """Return what a row says of the images: a reason that is worded anew is no change."""
    return (row.driver, row.executors, row.verdict, str(row.must)) if row else None
