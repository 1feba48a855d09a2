"""Does a build have all that it does not fetch? Debian packages that are gone are locked anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sparkyard import console
from sparkyard.builds import apt_resolver, proposal
from sparkyard.builds.proposal import Proposal
from sparkyard.errors import MirrorError
from sparkyard.family import projects
from sparkyard.family.images import APT
from sparkyard.family.projects import Project
from sparkyard.fetch import debs, sources
from sparkyard.fetch.debs import Missing, Wanted
from sparkyard.locks import apt_lock, current, dependencies
from sparkyard.plan import base_image
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.plan import Site

_List = tuple[Project, str]
"""A project and the name of one of its lists of Debian packages."""


def provide(where: Site, images: Iterable[str], *, bootstrap: bool) -> None:
    """Lay out what a build of some images does not fetch itself.

    That is their locked Debian packages, and the archives of Python packages that are in no index.
    Where a locked package is gone from the archive and its snapshots, all Debian locks are renewed
    in the checkout, unless the setting `locked` is on.

    Args:
        where: what is built, for which site.
        images: their names.
        bootstrap: whether Debian itself is made of its packages.

    Raises:
        MirrorError: a locked package is gone, and locks must not be renewed; or a mirror lacks what
            its own index names.
        NetworkError, CertificateError: Debian's archive could not be reached.
        FileAccessError: the locks cannot be written.
        HashMismatchError: the sources of a Python package are not those that were locked.
    """
    lists = _lists(where, images, bootstrap=bootstrap)
    missing = debs.fetch(_wanted(lists), where.settings)
    if missing.debs:
        if where.settings.locked:
            debs.must(missing, where.settings)
        _renew(where, lists, missing)
    for project, name in lists:
        if name != apt_lock.DEBIAN:
            debs.lay_out(project, name)
    for group in dependencies.groups(where.project.dependencies):
        sources.lay_out(where.project, group, where.settings)


def base(where: Site, images: Iterable[str]) -> BaseImage:
    """Lay out the Debian packages of some images, and return the base that they stand on.

    Raises:
        SparkyardError: as `provide`; or the base could not be made.
    """
    provide(where, images, bootstrap=not base_image.is_there(where.project, where.settings))
    return base_image.provide(where.project, where.settings)


def put(made: Proposal) -> None:
    """Put new locks in place, and say what they change in a few lines."""
    moves, files = [move for of in made.moves().values() for move in of], made.files()
    made.put()
    secure = sum(bool(move.security) for move in moves)
    debian = any(move.kind == current.APT for move in moves)
    of_them = f", {secure} of them security updates" if debian else ""
    console.note(f"{console.count(len(moves), 'package')} moved{of_them}")
    console.note(f"changed: {', '.join(map(proposal.shown, files))}; commit them")


def _renew(where: Site, lists: Sequence[_List], missing: Missing) -> None:
    """Lock all Debian packages anew, in the checkout: those of other stacks go with them."""
    if missing.why:
        console.note(f"the snapshots of Debian's archive could not be reached: {missing.why}")
    console.note(
        f"{console.count(len(missing.debs), 'locked Debian package')} gone from Debian's archive "
        f"({missing.named()}): renewing the Debian locks"
    )
    every = projects.every()
    for project in every:
        proposal.require_writable(project)
    with proposal.propose(*every) as made:
        made.secured = apt_resolver.lock(made.copies.values(), where.settings)
        copies = [(made.copies[project.name], name) for project, name in lists]
        half_way = debs.fetch(_wanted(copies), where.settings)
        if half_way.debs:
            raise MirrorError(
                "The mirror's index names Debian packages that the mirror does not have: "
                f"{half_way.named()}. It is in the middle of its own update.",
                "No lock was changed. Run the same command again later, or set apt_mirror to "
                "another mirror.",
            )
        put(made)


def _wanted(lists: Iterable[_List]) -> list[Wanted]:
    return [deb for project, name in lists for deb in debs.of_lists(project, [name])]


def _lists(where: Site, images: Iterable[str], *, bootstrap: bool) -> tuple[_List, ...]:
    """Return the lists of Debian packages that go into some images."""
    layers = {layer for image in images for layer in where.family.takes(image)}
    return tuple(
        (project, name)
        for project in where.project.chain
        for name in apt_lock.lists(project)
        if (name == apt_lock.DEBIAN and bootstrap)
        or name == apt_lock.BASE
        or f"{APT}{name}" in layers
    )
