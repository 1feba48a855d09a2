"""Which Debian packages would be installed now? Asked of apt itself, in a container on the base."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sparkyard import console, paths
from sparkyard.builds import bake
from sparkyard.builds.failure import explain
from sparkyard.command import run
from sparkyard.errors import MirrorError
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.plan import base_image
from sparkyard.plan.plan import Site
from sparkyard.settings import ca_bundle

_MADISON = re.compile(r"^ *(\S+) \| *(\S+) \| \S+ ([a-z-]+)/main ", re.MULTILINE)


def lock(where: Site) -> None:
    """Lock all lists of the stack by what Debian's archive has now.

    Raises:
        MirrorError: the archive lacks what a list names.
        NetworkError, CertificateError: the archive could not be asked.
    """
    stack = where.stack
    base = base_image.bootstrapped_anew(stack, where.settings)
    now = datetime.now(UTC).replace(microsecond=0)
    changed = {
        apt_lock.DEBIAN: apt_lock.write(
            stack, apt_lock.DEBIAN, _resolve(where, base, stack.debian, ()), now
        )
    }
    above: tuple[LockedDeb, ...] = ()
    for name in apt_lock.lists(stack)[1:]:
        asked = apt_lock.packages(stack, name)
        if name != apt_lock.BASE and above:
            asked = (*apt_lock.packages(stack, apt_lock.BASE), *asked)
        debs = _resolve(where, base, stack.arguments["SUITES"], asked)
        known = {(deb.name, deb.version) for deb in above}
        own = tuple(deb for deb in debs if (deb.name, deb.version) not in known)
        if name == apt_lock.BASE:
            above = debs
        elif moved := {deb.name for deb in own} & {deb.name for deb in above}:
            raise MirrorError(
                f"The list {name} needs {', '.join(sorted(moved))} in another version than the "
                "base has.",
                f"Ask for it from another suite in apt/{name}.txt, or name it in apt/base.txt.",
            )
        changed[name] = apt_lock.write(stack, name, own, now)
    for name, moved_on in changed.items():
        console.note(f"{stack.name}: apt list {name}: {'locked anew' if moved_on else 'as it was'}")


def parse(said: str, name: str) -> tuple[LockedDeb, ...]:
    """Return the packages that `apt-install --resolve` printed.

    Args:
        said: lines of `apt-cache madison`, then the index's entries.
        name: the list, for errors.

    Raises:
        MirrorError: an entry is incomplete.
    """
    suites: dict[tuple[str, str], str] = {}
    for package, version, suite in _MADISON.findall(said):
        suites.setdefault((package, version), suite)
    found: dict[str, LockedDeb] = {}
    for block in said[said.find("Package: ") :].split("\n\n"):
        entry = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", block, re.MULTILINE))
        if "Package" not in entry:
            continue
        package, version = entry["Package"], entry["Version"]
        try:
            found.setdefault(
                package,
                LockedDeb(package, version, entry["Architecture"], suites[package, version],
                          int(entry["Size"]), entry["SHA256"], entry["Filename"]),
            )  # fmt: skip
        except KeyError as error:
            raise MirrorError(
                f"The index has no {error} of {package} {version}, for the list {name}.",
                "If a mirror is set, it is incomplete: see the setting apt_mirror.",
            ) from error
    return tuple(sorted(found.values()))


def _resolve(where: Site, base: str, suites: str, packages: Sequence[str]) -> tuple[LockedDeb, ...]:
    mounts = ["--volume", f"{paths.IMAGES / 'common'}:/common:ro"]
    mounts += ["--volume", f"{bake.MIRRORS}:/run/secrets/mirrors:ro"]
    if bundle := ca_bundle(where.settings):
        mounts += ["--volume", f"{bundle}:/run/ca.crt:ro"]
    bake.write_mirrors(where.settings)
    argv = ["docker", "run", "--rm", *mounts, base, "/common/apt-install", "--resolve", suites]
    ended = run([*argv, *packages], check=False)
    if ended.exit_code != 0:
        raise explain(ended.stdout + ended.stderr)
    return parse(ended.stdout, " ".join(packages) or "Debian itself")
