"""Check a release's signature, digests and SBOMs, byte by byte."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from sparkyard import commands, console, versions
from sparkyard.errors import FileAccessError, HashMismatchError, SparkyardError, VerificationError
from sparkyard.plan import plan
from sparkyard.plan.plan import Site
from sparkyard.release import releases, signing_key, verify, verify_images
from sparkyard.release.verify_images import Checked, Progress


def main(argv: list[str]) -> int:
    """Check a release and print what was checked; return 0 when all of it holds.

    Raises:
        VerificationError: something is not what was released.
        RegistryAbsentError: the registry says that it lacks something.
        RegistryUnreachableError: it could not be asked.
        SigningKeyError: there is no usable public key.
    """
    options = _parse(argv)
    versions.parse(options.version)
    checks: list[Checked] = []
    failure = "it was not checked to the end"
    try:
        _check(options, plan.site(), checks)
        failure = ""
    except SparkyardError as error:
        failure = error.what
        raise
    finally:
        _show(options, checks, failure)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser("verify", __doc__)
    parser.add_argument("version", metavar="VERSION", help="the release, e.g. 1.4.0")
    parser.add_argument(
        "--quick", action="store_true", help="look whether the layers are there, and read none"
    )
    parser.add_argument(
        "--from", type=Path, dest="directory", metavar="DIR", help="take its files from there"
    )
    parser.add_argument(
        "--files-only", action="store_true", help="check the files, and ask no registry for images"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="the public key that counts")
    parser.add_argument("--json", action="store_true", help="print the checks for machines")
    return parser.parse_args(argv)


def _check(options: argparse.Namespace, site: Site, checks: list[Checked]) -> None:
    key = signing_key.load_public(options.key or signing_key.verification_path(site.settings))
    version, tell = options.version, checks.append
    if options.directory is not None:
        record = verify.check_files(_files(options.directory), key, version, tell)
    else:
        try:
            release = releases.fetch(site, version)
        except HashMismatchError as error:
            raise VerificationError(error.what, error.remedy, detail=error.detail) from error
        record = verify.check_release(release, key, version, tell)
    if not options.files_only:
        place = releases.place(site)
        # Files that came another way say themselves where their images were released.
        here = site.settings.namespace if options.directory is not None else place.namespace
        with _progress() as progress:
            verify_images.check(
                record, place.registry, key, namespace=here, quick=options.quick, tell=tell,
                progress=progress,
            )  # fmt: skip


def _files(directory: Path) -> dict[str, bytes]:
    try:
        return {
            path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()
        }
    except OSError as error:
        raise FileAccessError(
            f"{error.filename or directory} cannot be read: {error.strerror}.",
            "Name a directory with the files of a release.",
        ) from error


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Give what shows how far the layers are read: a bar on a terminal, else a line each tenth."""
    if not sys.stderr.isatty():
        told = -1

        def say(done: int, total: int) -> None:
            nonlocal told
            if (tenth := 10 * done // total) > told:
                told = tenth
                console.note(f"read {console.size(done)} of {console.size(total)} of layers")

        yield say
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading layers", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(options: argparse.Namespace, checks: list[Checked], failure: str) -> None:
    if options.json:
        document = {
            "version": options.version,
            "holds": not failure,
            "checks": [dataclasses.asdict(check) for check in checks],
            "failure": failure,
        }
        print(json.dumps(document, indent=2))
        return
    rows = [("ok", check.what, check.found) for check in checks]
    rows += [("FAIL", "", failure)] if failure else []
    if rows:
        console.table(("", "check", "found"), rows)
    if not failure:
        print(f"release {options.version} is what was signed")
