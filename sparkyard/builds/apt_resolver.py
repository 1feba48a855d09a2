"""Which Debian packages would be installed now? Asked of apt itself, which installs nothing.

apt runs with directories of its own, on this machine, or in the base image where this machine has
none: its package lists, its sources and the packages that count as installed are what a lock is
made for, and nothing of this machine's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sparkyard import paths
from sparkyard.builds.failure import explain
from sparkyard.command import Completed, mask, run
from sparkyard.engine import engine
from sparkyard.errors import (
    BuildFailedError,
    FileAccessError,
    MirrorError,
    NetworkError,
    SparkyardError,
)
from sparkyard.family.projects import Project
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.mirror_login import apt_auth, split
from sparkyard.plan import base_image
from sparkyard.settings import Settings, archives, ca_bundle

_MADISON = re.compile(r"^ *(\S+) \| *(\S+) \| \S+ ([a-z-]+)/main ", re.MULTILINE)
_WOULD_INSTALL = re.compile(r"^Inst (\S+) (?:\[.*?\] )*\((\S+) ", re.MULTILINE)
_MINIMAL = ("?essential", "?priority(required)", "apt")
"""What mmdebstrap installs as its variant minbase."""
_KEYRINGS = tuple(
    Path(f"/usr/share/keyrings/debian-archive-keyring.{ending}") for ending in ("gpg", "pgp")
)
_SECURITY = "-security"


@dataclass(frozen=True)
class Installable:
    """What apt would install, and what else it says of it.

    Attributes:
        entries: each package's entry in the index, by its name.
        secured: the versions of each package in the security suites, by its name.
    """

    debs: tuple[LockedDeb, ...]
    entries: Mapping[str, str]
    secured: Mapping[str, frozenset[str]]


def lock(projects: Iterable[Project], settings: Settings) -> dict[str, frozenset[str]]:
    """Lock all lists of projects by what Debian's archive has now.

    Args:
        projects: each after what it stands on. All of them are locked together, so that what
            stands on the operating system fits to it.
        settings: for the mirror and the CA bundle.

    Returns:
        the versions in the security suites, by package.

    Raises:
        MirrorError: the archive lacks what a list names, or its index cannot be used.
        NetworkError, CertificateError: the archive could not be asked.
    """
    projects = tuple(projects)
    apt = _Apt(projects, settings)
    now = datetime.now(UTC).replace(microsecond=0)
    secured: dict[str, frozenset[str]] = {}
    bases: dict[str, dict[str, str]] = {}
    for project in projects:
        below = bases[project.on.name] if project.on else {}
        bases[project.name] = _lock(project, apt, below, now, secured)
    return secured


def _lock(
    project: Project,
    apt: _Apt,
    below: Mapping[str, str],
    now: datetime,
    secured: dict[str, frozenset[str]],
) -> dict[str, str]:
    """Lock the lists of one project, and return the index entries of what its base has."""
    installed = dict(below)
    base = set(installed)
    for name in apt_lock.lists(project):
        wanted = _MINIMAL if name == apt_lock.DEBIAN else apt_lock.packages(project, name)
        found = apt.ask(project, name, wanted, installed)
        if moved := base & found.entries.keys():
            raise MirrorError(
                f"The list {name} needs {', '.join(sorted(moved))} in another version than the "
                "base has.",
                f"Ask for it from another suite in apt/{name}.txt, or name it in apt/base.txt.",
            )
        apt_lock.write(project, name, found.debs, now)
        for package, versions in found.secured.items():
            secured[package] = secured.get(package, frozenset()) | versions
        if name in (apt_lock.DEBIAN, apt_lock.BASE):
            installed |= found.entries
            base = set(installed)
    for file in sorted((project.dependencies / "apt").glob("*.lock")):
        if file.name.split(".")[0] not in apt_lock.lists(project):
            file.unlink()
    return installed


def parse(said: str, name: str) -> Installable:
    """Return the packages that apt spoke of.

    Args:
        said: lines of `apt-cache madison`, then the index's entries.
        name: the list, for errors.

    Raises:
        MirrorError: an entry is incomplete.
    """
    suites: dict[tuple[str, str], list[str]] = {}
    secured: dict[str, set[str]] = {}
    for package, version, suite in _MADISON.findall(said):
        suites.setdefault((package, version), []).append(suite)
        if suite.endswith(_SECURITY):
            secured.setdefault(package, set()).add(version)
    entries: dict[str, str] = {}
    debs: list[LockedDeb] = []
    for block in said[said.find("Package: ") :].split("\n\n"):
        entry = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", block, re.MULTILINE))
        if "Package" not in entry or entry["Package"] in entries:
            continue
        package, version = entry["Package"], entry["Version"]
        try:
            path = entry["Filename"]
            # A version may be in several archives: the entry is of the one with this path.
            of_path = [
                suite
                for suite in suites[package, version]
                if suite.endswith(_SECURITY) == path.startswith("pool/updates/")
            ]
            suite = (of_path or suites[package, version])[0]
            debs.append(
                LockedDeb(package, version, entry["Architecture"], suite,
                          int(entry["Size"]), entry["SHA256"], path)
            )  # fmt: skip
        except KeyError as error:
            raise MirrorError(
                f"The index has no {error} of {package} {version}, for the list {name}.",
                "If a mirror is set, it is incomplete: see the setting apt_mirror.",
            ) from error
        entries[package] = block.strip()
    return Installable(
        tuple(sorted(debs)), entries, {name: frozenset(of) for name, of in secured.items()}
    )


class _Apt:
    """apt with the sources of some projects and a list of installed packages of our own."""

    def __init__(self, projects: Sequence[Project], settings: Settings) -> None:
        self._work = paths.cache() / "apt"
        self._suites = {project.name: project.suites for project in projects}
        self._suites[""] = tuple(dict.fromkeys(s for each in projects for s in each.suites))
        bundle = ca_bundle(settings)
        self._in: list[str] = []
        if not shutil.which("apt-get"):
            engine.ensure()
            image = base_image.named(projects[0], settings).removeprefix("docker-image://")
            mounted = [str(self._work), *([str(bundle)] if bundle else [])]
            self._in = ["docker", "run", "--rm"]
            for name in ("APT_CONFIG", "LC_ALL", "http_proxy", "https_proxy", "no_proxy"):
                self._in += ["--env", name]  # with the value that it has here
            self._in += [word for place in mounted for word in ("--volume", f"{place}:{place}")]
            self._in += [image]
        self._prepare(settings, bundle)
        self._run("apt-get", "-qq", "update", sources="")

    def ask(
        self, project: Project, name: str, packages: Sequence[str], installed: Mapping[str, str]
    ) -> Installable:
        """Return what would be installed for a list.

        Args:
            project: whose suites count.
            name: of the list.
            packages: as apt-get takes them.
            installed: index entries of what is there already, by package.
        """
        sources = project.name
        (self._work / "status").write_text(
            "".join(f"{entry}\nStatus: install ok installed\n\n" for entry in installed.values())
        )
        argv = ["apt-get", "install", "--simulate", "--no-install-recommends", *packages]
        pairs = _WOULD_INSTALL.findall(self._run(*argv, sources=sources))
        if not pairs:
            return Installable((), {}, {})
        names = [package for package, _ in pairs]
        versions = [f"{package}={version}" for package, version in pairs]
        said = self._run("apt-cache", "madison", *names, sources=sources)
        said += self._run("apt-cache", "show", *versions, sources=sources)
        return parse(said, name)

    def _prepare(self, settings: Settings, bundle: Path | None) -> None:
        for place in ("lists/partial", "archives/partial", "etc"):
            (self._work / place).mkdir(parents=True, exist_ok=True)
        self._work.chmod(0o700)  # auth.conf may hold a password
        (self._work / "status").write_text("")
        options = {
            "Dir::State": self._work, "Dir::State::lists": self._work / "lists",
            "Dir::State::status": self._work / "status",
            "Dir::Cache::archives": self._work / "archives",
            "Dir::Etc": self._work / "etc", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::netrcparts": "/dev/null",
            "APT::Architecture": apt_lock.architecture(), "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any", "Acquire::Languages": "none",
            "Acquire::PDiffs": "false", "Acquire::Retries": "3",
            **({"Acquire::https::CAInfo": bundle} if bundle else {}),
        }  # fmt: skip
        lines = "".join(f'{option} "{value}";\n' for option, value in options.items())
        architectures = f'APT::Architectures {{ "{apt_lock.architecture()}"; }};\n'
        (self._work / "apt.conf").write_text(lines + architectures)
        keyring = _KEYRINGS[0] if self._in else next((k for k in _KEYRINGS if k.is_file()), None)
        if keyring is None:
            raise FileAccessError(
                "The keys of Debian's archive are not on this machine.",
                "Install the package debian-archive-keyring.",
            )
        hosts = archives(settings)
        (self._work / "etc/auth.conf").write_text(apt_auth(hosts))
        bare = (split(hosts[0]).url, split(hosts[1]).url)
        for sources, suites in self._suites.items():
            text = "".join(_sources(suite, keyring, bare) for suite in suites)
            self._sources(sources).write_text(text)
        # Another suite's packages are taken where they are asked for by it, or needed by such.
        others = self._suites[""][1:]
        (self._work / "etc/preferences").write_text(
            "".join(f"Package: *\nPin: release n={o}*\nPin-Priority: 100\n\n" for o in others)
        )

    def _sources(self, sources: str) -> Path:
        return self._work / "etc" / f"{sources or 'all'}.list"

    def _run(self, program: str, *words: str, sources: str) -> str:
        options = [f"Dir::Etc::sourcelist={self._sources(sources)}"]
        # Each set of sources has a cache of its own, so that no call reads the indexes again.
        options += [f"Dir::Cache={self._work}", *self._caches(sources)]
        argv = [program, *(word for option in options for word in ("-o", option)), *words]
        environment = {"APT_CONFIG": str(self._work / "apt.conf"), "LC_ALL": "C"}
        ended = run([*self._in, *argv], check=False, env=environment)
        if ended.exit_code != 0:
            raise _why_not(ended)
        return ended.stdout

    @staticmethod
    def _caches(sources: str) -> Iterable[str]:
        kinds = ("pkgcache", "srcpkgcache")
        return (f"Dir::Cache::{kind}={sources or 'all'}-{kind}.bin" for kind in kinds)


def _sources(suite: str, keyring: Path, hosts: tuple[str, str]) -> str:
    """Return the sources of a suite, with its security updates."""
    if suite == "sid":
        # It has no security suite, and mirrors keep its Release file past its date.
        return f"deb [signed-by={keyring} check-valid-until=no] {hosts[0]} sid main\n"
    own = f"deb [signed-by={keyring}] {hosts[0]} {suite} main\n"
    return f"{own}deb [signed-by={keyring}] {hosts[1]} {suite}{_SECURITY} main\n"


def _why_not(ended: Completed) -> SparkyardError:
    error = explain(ended.stdout + ended.stderr, speaker="apt")
    if isinstance(error, NetworkError):
        return NetworkError(error.what, "Check the network and a proxy, or set apt_mirror.")
    if not isinstance(error, BuildFailedError):
        return error
    said = [line for line in ended.stderr.splitlines() if line.startswith("E: ")]
    return MirrorError(
        f"apt cannot say what to install. It said: {mask(said[-1][3:] if said else 'nothing')}",
        "If a list in apt/ names a package that its suite does not have, correct it there.",
    )
