"""What does somebody see who reads a registry while others publish to it? Each look is checked.

Who follows a release's record, or a channel, must see all of one release. A tag of a single image
must name what it named before or what it is to name; never anything else, and nothing at all only
where it did not exist yet.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sparkyard.errors import RegistryAbsentError, SparkyardError
from sparkyard.registry.oci import Descriptor
from sparkyard.release import releases
from sparkyard.release.releases import Place, ReleaseFiles
from tests.e2e.chaos import made_family
from tests.e2e.chaos.made_family import BRANCH, NAMES, ROLES, STACK, MadeRelease

MOVING = (STACK, BRANCH)
DRIVER_FIRST = sorted(NAMES, key=lambda name: ROLES.get(name) == "executor")

_PAUSE = 0.03
"""Seconds between two rounds of looks: the registry has others to serve, too."""

Allowed = Mapping[str, tuple[int, ...]]
"""By tag: the numbers of the releases that it may name, the newest intended last; 0 is none."""


@dataclass
class Window:
    """A stretch of looks at one tag of all images that found different releases; in seconds."""

    longest: float = 0
    began: float | None = None

    def look(self, began: float, ended: float, *, mixed: bool) -> None:
        """Count a look."""
        if not mixed:
            self.began = None
            return
        self.began = began if self.began is None else self.began
        self.longest = max(self.longest, ended - self.began)


@dataclass
class Findings:
    """What was seen: `torn` and `unread` are lines for a person, and there must be none."""

    looks: int = 0
    mixed_looks: int = 0
    torn: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    windows: dict[str, Window] = field(default_factory=dict)

    @property
    def longest_mixed(self) -> float:
        """The longest time in seconds for which a tag named two releases on different images."""
        return max((window.longest for window in self.windows.values()), default=0)


class Reader:
    """Reads one place again and again, in a thread of its own."""

    def __init__(self, place: Place, seed: int) -> None:
        self.findings = Findings()
        self._place = place
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - which release is looked at
        self._steps: list[Allowed] = [{}]
        self._whole: set[tuple[str, str]] = set()
        self._made: dict[int, MadeRelease] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def allow(self, allowed: Allowed) -> None:
        """Say what tags may name from now on."""
        self._steps.append(dict(allowed))

    @property
    def started(self) -> bool:
        """Whether it reads, or did."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> Findings:
        """Stop reading, and return what was seen."""
        self._stopped.set()
        self._thread.join()
        return self.findings

    @property
    def _allowed(self) -> Allowed:
        return self._steps[-1]

    def _allowed_since(self, step: int, tag: str) -> tuple[int, ...]:
        """Return what a tag was allowed to name during a look, which may take several commands."""
        allowed = (number for one in self._steps[step:] for number in one.get(tag, ()))
        return tuple(dict.fromkeys(allowed))

    def look(self) -> None:
        """Look at everything once."""
        self._guard(self._look_at_releases)
        for tag in tuple(self._allowed):
            self._guard(partial(self._look_at_tag, tag))
            if tag not in MOVING:
                self._guard(partial(self._look_at_channel, tag))

    def settled(self, expected: Mapping[str, int]) -> list[str]:
        """Return what is not as it must be while nobody publishes.

        Args:
            expected: the number of the release that each tag must name, on all images.
        """
        found = []
        for tag, number in expected.items():
            for name in NAMES:
                there = self._place.registry.resolve(self._path(name), tag)
                if (there.digest if there else None) != self._digest(tag, name, number):
                    found.append(f"{name}:{tag} is {there.digest if there else 'nothing'}")
            if tag not in MOVING and self._place.channel(tag).version != self._version(number):
                found.append(f"the channel {tag} is not {self._version(number)}")
        return found

    def complete(self, number: int) -> list[str]:
        """Return which tags that never move a release lacks, or why it is not whole."""
        made = self._release(number)
        found = self._whole_release(made.version)
        for image in made.images:
            index = made.index(image).digest
            tags = {
                made.version: index,
                made.revision[:12]: image.manifest.digest,
                f"{STACK}-{image.manifest.digest[7:19]}": image.manifest.digest,
            }
            for tag, digest in tags.items():
                there = self._place.registry.resolve(self._path(image.name), tag)
                if there is None or there.digest != digest:
                    found.append(f"{image.name}:{tag} is {there.digest if there else 'nothing'}")
        return found

    def _run(self) -> None:
        while not self._stopped.wait(_PAUSE):
            self.look()

    def _guard(self, look: Callable[[], list[str]]) -> None:
        try:
            self.findings.torn += look()
        except RegistryAbsentError as error:
            self.findings.torn.append(error.what)
        except SparkyardError as error:
            self.findings.unread.append(f"{type(error).__name__}: {error.what}")
        self.findings.looks += 1

    def _look_at_releases(self) -> list[str]:
        found = self._look_at_version_tags()
        versions = self._place.versions()
        wanted = {*versions[-1:], *([self._chance.choice(versions)] if versions else [])}
        for version in wanted:
            found += self._whole_release(version)
        return found

    def _look_at_version_tags(self) -> list[str]:
        """See to it that no image bears a version before its record stands."""
        number = max((n for numbers in self._allowed.values() for n in numbers), default=0)
        if not number:
            return []
        made = self._release(number)
        image = self._chance.choice(made.images)
        there = self._place.registry.resolve(self._path(image.name), made.version)
        if there is None:
            return []
        found = []
        if there.digest != made.index(image).digest:
            found.append(f"{image.name}:{made.version} is {there.digest}")
        if not self._place.has(made.version):
            found.append(f"{image.name}:{made.version} stands, and its record does not")
        return found

    def _look_at_channel(self, name: str) -> list[str]:
        step = len(self._steps) - 1
        channel = self._place.channel(name)
        allowed = {self._version(number) for number in self._allowed_since(step, name)}
        if channel.version not in allowed:
            return [f'the channel {name} names "{channel.version}", and not {sorted(allowed)}']
        if not channel.moves:
            return []
        found = self._whole_release(channel.moves[0].record.digest)
        if self._place.fetch(channel.version).manifest.digest != channel.moves[0].record.digest:
            found.append(f"the channel {name} names another record than {channel.version}")
        return found

    def _look_at_tag(self, tag: str) -> list[str]:
        """Look at one tag of all images, the driver's before the executors'."""
        began = time.monotonic()
        step = len(self._steps) - 1
        seen = {}
        for name in DRIVER_FIRST:
            there = self._place.registry.resolve(self._path(name), tag)
            seen[name] = there.digest if there else None
        ended = time.monotonic()
        numbers = self._allowed_since(step, tag)
        found, named = [], {}
        for name, digest in seen.items():
            known = {self._digest(tag, name, number): number for number in numbers}
            if digest not in known:
                found.append(f"{name}:{tag} is {digest}, of none of the releases {list(numbers)}")
            named[name] = known.get(digest, -1)
        mixed = len(set(named.values())) > 1
        self.findings.mixed_looks += mixed
        self.findings.windows.setdefault(tag, Window()).look(began, ended, mixed=mixed)
        roles = {ROLES[name]: number for name, number in named.items() if name in ROLES}
        aim = self._steps[step][tag][-1]
        if step == len(self._steps) - 1 and roles["driver"] == aim != roles["executor"]:
            found.append(f"{tag} is {aim} for the driver and {roles['executor']} for executors")
        return found

    def _whole_release(self, reference: str) -> list[str]:
        """Return what a release lacks, of all that its record names."""
        place, path = self._place, self._place.releases
        manifest = place.registry.manifest(path, reference)
        files = {}
        for layer in manifest.document()["layers"]:
            described = Descriptor.parse(layer)
            name = described.annotations["org.opencontainers.image.title"]
            if name == releases.RECORD:
                files[name] = b"".join(place.registry.blob(path, described))
            else:
                self._must_be_whole(path, described)
        found = []
        for image in ReleaseFiles(manifest, files).record.images:
            repository = image.repository.partition("/")[2]
            index = place.registry.manifest(repository, image.index).document()
            if [each["digest"] for each in index["manifests"]] != [image.digest]:
                found.append(f"the index {image.index} is not around {image.digest}")
            document = place.registry.manifest(repository, image.digest).document()
            for part in (document["config"], *document["layers"]):
                self._must_be_whole(repository, Descriptor.parse(part))
        return found

    def _must_be_whole(self, repository: str, blob: Descriptor) -> None:
        """Read a blob at its first sight, and see that it is there at later ones."""
        if (repository, blob.digest) not in self._whole:
            for _ in self._place.registry.blob(repository, blob):
                pass
            self._whole.add((repository, blob.digest))
        elif not self._place.registry.has_blob(repository, blob.digest):
            raise RegistryAbsentError(
                f"{repository}@{blob.digest} was there and is gone.",
                "Look at the registry's storage.",
            )

    def _path(self, name: str) -> str:
        return self._place.repository(name).path

    def _version(self, number: int) -> str:
        return self._release(number).version if number else ""

    def _release(self, number: int) -> MadeRelease:
        if number not in self._made:
            made = made_family.make(self._seed, number)
            # Without the content, of which hundreds of releases have too much.
            images = tuple(replace(image, blobs={}) for image in made.images)
            self._made[number] = replace(made, images=images)
        return self._made[number]

    def _digest(self, tag: str, name: str, number: int) -> str | None:
        """Return the digest that a tag of an image has as part of a release."""
        if not number:
            return None
        made = self._release(number)
        image = next(each for each in made.images if each.name == name)
        return image.manifest.digest if tag in MOVING else made.index(image).digest


def first_lines(lines: Iterable[str], count: int = 5) -> str:
    """Return the first few different lines, for an error."""
    return "\n".join(list(dict.fromkeys(lines))[:count])
