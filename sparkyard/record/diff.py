"""What changed between two releases? Two records in, one document of changes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sparkyard.locks import jar_checks
from sparkyard.package_versions import COMPARE
from sparkyard.record.record import (
    Packages,
    ParityRow,
    Record,
    RecordedImage,
    RecordedLayer,
    RecordedPair,
    RecordedStack,
)

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
    """A row of a pair's report that is not what it was; None where there was or is no such."""

    driver: str
    executors: str
    name: str
    before: ParityRow | None
    after: ParityRow | None


@dataclass(frozen=True)
class StackChanges:
    """What changed of one stack.

    Attributes:
        before, after: its name in each release: empty where that has no such stack.
        images: every image of either release, in the later one's order.
        packages: the images' changes, each once, with the names of the images it is in.
        sizes, layers: of the stack, in which a layer counts once however many images have it.
    """

    before: str
    after: str
    images: tuple[ImageChanges, ...]
    packages: tuple[Change, ...]
    sizes: Sizes
    layers: LayerChanges
    parity: tuple[ParityChange, ...]

    @property
    def name(self) -> str:
        """What it is called now, or was."""
        return self.after or self.before

    @property
    def what(self) -> str:
        """Whether it was added, removed, changed, or is the same."""
        if not (self.before and self.after):
            return ADDED if self.after else REMOVED
        return SAME if all(image.what == SAME for image in self.images) else CHANGED

    def of_kind(self, kind: str) -> tuple[Change, ...]:
        """Return the changes of one of `KINDS`."""
        return tuple(change for change in self.packages if change.kind == kind)

    def only(self, name: str) -> StackChanges:
        """Return what concerns one of its images."""
        (image,) = (image for image in self.images if image.name == name)
        return dataclasses.replace(
            self,
            images=(image,),
            packages=image.packages,
            sizes=image.sizes,
            layers=image.layers,
            parity=tuple(row for row in self.parity if name in (row.driver, row.executors)),
        )


@dataclass(frozen=True)
class Changes:
    """All that changed.

    Attributes:
        before, after: the versions.
        stacks: every stack of either release, in the later one's order.
    """

    before: str
    after: str
    revision_before: str
    revision_after: str
    stacks: tuple[StackChanges, ...]

    def only(self, *, stack: str = "", image: str = "") -> Changes:
        """Return what concerns one stack, or one image on all of them; empty names mean all."""
        chosen = [one for one in self.stacks if stack in ("", one.before, one.after)]
        if image:
            having = [one for one in chosen if any(i.name == image for i in one.images)]
            chosen = [one.only(image) for one in having]
        return dataclasses.replace(self, stacks=tuple(chosen))

    def as_document(self) -> dict[str, object]:
        """Return it ready for `json.dumps`."""
        return dataclasses.asdict(self)


def changes(before: Record, after: Record) -> Changes:
    """Return what changed from one release to another."""
    return Changes(
        before=before.version,
        after=after.version,
        revision_before=before.revision,
        revision_after=after.revision,
        stacks=tuple(_stack(*pair) for pair in matched(before, after)),
    )


def matched(
    before: Record, after: Record
) -> tuple[tuple[RecordedStack | None, RecordedStack | None], ...]:
    """Return each stack as it was and as it is, None where it is in one release alone.

    Stacks go by their names. Where another stack is the default now, and neither release has both,
    the two are compared: that is what the change of a stack means to those who take bare tags.
    """
    names = {stack.name: stack.name for stack in before.stacks}
    default_before, default_after = _default(before), _default(after)
    if before.stack(default_after) is None and after.stack(default_before) is None:
        names[default_after] = default_before
    pairs = [(before.stack(names.get(stack.name, "")), stack) for stack in after.stacks]
    known = {was.name for was, _ in pairs if was}
    gone = [(stack, None) for stack in before.stacks if stack.name not in known]
    return (*pairs, *gone)


def _default(record: Record) -> str:
    return next((stack.name for stack in record.stacks if stack.default), "")


def _stack(before: RecordedStack | None, after: RecordedStack | None) -> StackChanges:
    images_before = before.images if before else ()
    images_after = after.images if after else ()
    names = dict.fromkeys(image.name for image in (*images_after, *images_before))
    images = tuple(
        _image(
            name,
            before.image(name) if before else None,
            after.image(name) if after else None,
        )
        for name in names
    )
    return StackChanges(
        before=before.name if before else "",
        after=after.name if after else "",
        images=images,
        packages=_over_images(images),
        sizes=_sizes(_distinct(images_before), _distinct(images_after)),
        layers=_layers(_distinct(images_before), _distinct(images_after)),
        parity=_parity(before.pairs if before else (), after.pairs if after else ()),
    )


def jar_versions(files: Iterable[str]) -> dict[str, str]:
    """Return version by name for the files of some jars; several of one name are joined.

    A classifier belongs to the name: two of one artifact are two different things.
    """
    by_name: dict[str, list[str]] = {}
    for file in sorted(set(files)):
        jar = jar_checks.name_of(file, where="")
        name = f"{jar.artifact}-{jar.classifier}" if jar.classifier else jar.artifact
        by_name.setdefault(name, []).append(jar.version)
    return {name: ", ".join(versions) for name, versions in by_name.items()}


def packages(before: Packages, after: Packages, image: str) -> tuple[Change, ...]:
    """Return the packages of an image that changed, kind by kind, by name."""
    changed = []
    for kind in KINDS:
        old: Mapping[str, str] = getattr(before, kind)
        new: Mapping[str, str] = getattr(after, kind)
        changed += [
            Change(kind, name, old.get(name, ""), new.get(name, ""), what, (image,))
            for name in sorted(old.keys() | new.keys(), key=lambda name: (name.lower(), name))
            if (what := _what(kind, old.get(name), new.get(name)))
        ]
    return tuple(changed)


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
    changed: tuple[Change, ...] = ()
    if before and after:
        what = SAME if before.digest == after.digest else CHANGED
        changed = packages(before.packages, after.packages, name)
    else:
        what = ADDED if after else REMOVED
    return ImageChanges(
        name=name,
        what=what,
        digest_before=before.digest if before else "",
        digest_after=after.digest if after else "",
        sizes=_sizes(*sides),
        layers=_layers(*sides),
        packages=changed,
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


def _parity(
    before: Iterable[RecordedPair], after: Iterable[RecordedPair]
) -> tuple[ParityChange, ...]:
    old, new = _rows(before), _rows(after)
    return tuple(
        ParityChange(*key, old.get(key), new.get(key))
        for key in dict.fromkeys([*new, *old])
        if _told(old.get(key)) != _told(new.get(key))
    )


def _rows(pairs: Iterable[RecordedPair]) -> dict[tuple[str, str, str], ParityRow]:
    return {(pair.driver, pair.executors, row.name): row for pair in pairs for row in pair.rows}


def _told(row: ParityRow | None) -> tuple[str, ...] | None:
    """Return what a row says of the images: a reason that is worded anew is no change."""
    return (row.driver, row.executors, row.verdict, str(row.must)) if row else None
