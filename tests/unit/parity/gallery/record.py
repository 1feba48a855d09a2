"""Builds the images of the gallery, looks into each, and keeps how their facts differ.

    python -m tests.unit.parity.gallery.record STACK DRIVER EXECUTORS

What is fetched comes as in `tests.e2e.broken_pairs`. Each case is kept in build/gallery, where a
second run finds it: delete what is to be recorded anew.
"""

from __future__ import annotations

import json
import lzma
import re
import secrets
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sparkyard import paths
from sparkyard.command import run
from sparkyard.errors import SparkyardError
from sparkyard.facts import facts, look_inside
from sparkyard.files import whole_file
from tests.e2e.broken_pairs import APT, CA, CA_BUNDLE
from tests.unit.parity import gallery
from tests.unit.parity.gallery import Case

AT_ONCE = 2
FILES = ("jars", "debian", "other_packages", "files", "made_for", "compiled", "libraries")
"""The parts of a document that a change of the image's config alone leaves as they are."""

# No look through files where nothing but the config differs: a second in the place of several.
NO_FILES = f"""
sys.modules["sparkyard.facts.collector.document"]._written = lambda *_: dict(
    {dict.fromkeys(FILES)!r}, files={{}})
sys.modules["sparkyard.facts.collector.interpreters"].package_facts = lambda *_: ([], set())
"""
IN_PLACE = (
    # No index has these versions here: a package that calls itself by another one is as good.
    (
        "COPY pandas-2.2.3-*.whl /tmp/\nRUN rm -rf @site@/pandas",
        "RUN mv @site@/pandas-2.3.3.dist-info @site@/pandas-2.2.3.dist-info && sed -i "
        "'s/^Version: .*/Version: 2.2.3/; s/pandas-2.3.3/pandas-2.2.3/' "
        "@site@/pandas-2.2.3.dist-info/METADATA @site@/pandas-2.2.3.dist-info/RECORD\n#",
    ),
    (
        "apt-get update && apt-get install -y --allow-downgrades tzdata=2025b-4+deb13u1",
        "sed -i '/^Package: tzdata$/,/^$/ s/^Version: .*/Version: 2025b-4+deb13u1/' "
        "/var/lib/dpkg/status",
    ),
    (
        "python -m pip install --user humanize",
        'site="$(python -m site --user-site)/humanize" && mkdir -p $site-4.0.dist-info $site && '
        "touch $site/__init__.py && echo 'Name: humanize\\nVersion: 4.0' "
        ">$site-4.0.dist-info/METADATA && printf '%s,,\\n' humanize/__init__.py "
        "humanize-4.0.dist-info/METADATA humanize-4.0.dist-info/RECORD "
        ">$site-4.0.dist-info/RECORD",
    ),
    (
        "python -m pip install --no-deps --prefix /opt/venv jupyterlab-git",
        'site="$(echo /opt/venv/lib/python3.*/site-packages)/jupyterlab_git" && '
        "mkdir -p $site-0.51.dist-info $site && touch $site/__init__.py && "
        "echo 'Name: jupyterlab_git\\nVersion: 0.51' >$site-0.51.dist-info/METADATA && "
        "printf '%s,,\\n' jupyterlab_git/__init__.py jupyterlab_git-0.51.dist-info/METADATA "
        "jupyterlab_git-0.51.dist-info/RECORD >$site-0.51.dist-info/RECORD",
    ),
)


def main(stack: str, driver: str, executors: str) -> None:
    """Record the gallery of a stack."""
    good = {"driver": driver, "executors": executors}
    documents = {
        side: _kept(stack, f"good.{side}", _document, image) for side, image in good.items()
    }
    wanted = [
        (case, side)
        for kind in ("broken", "harmless")
        for case in gallery.cases(kind, stack)
        for side in case.changes
    ]
    wanted.sort(key=lambda each: _touches_files(each[0].changes[each[1]]))

    def record(each: tuple[Case, str]) -> None:
        case, side = each
        try:
            name, change = f"{case.name}.{side}", case.changes[side]
            _kept(stack, name, _difference, documents[side], good[side], change)
        except SparkyardError as error:
            print(f"{case.name} ({side}): {error.what} {error.detail[-1500:]}", file=sys.stderr)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(record, wanted))
    pack(stack)


def pack(stack: str) -> None:
    """Write what is recorded of a stack to the file that tests read."""
    seen: dict[str, Any] = {"good": {}, "cases": {}}
    for file in sorted(_place(stack).glob("*.json")):
        name, side = file.stem.rsplit(".", 1)
        document = json.loads(file.read_text(encoding="utf-8"))
        if name == "good":
            seen["good"][side] = document
        else:
            seen["cases"].setdefault(name, {})[side] = document
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"))
    gallery.kept(stack).write_bytes(lzma.compress(text.encode(), preset=9))


def _place(stack: str) -> Path:
    return paths.ROOT / "build" / "gallery" / stack


def _kept(stack: str, name: str, make: Callable[..., Any], *given: Any) -> Any:
    """Return what is recorded under a name, or make it and keep it."""
    file = _place(stack) / f"{name}.json"
    if not file.exists():
        whole_file.write(file, json.dumps(make(*given)))
        print(f"{name}: {file.stat().st_size} bytes", flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def _touches_files(change: str) -> bool:
    return bool(re.search(r"(?m)^(RUN|COPY|WORKDIR)", change))


def _difference(good: dict[str, Any], image: str, change: str) -> Any:
    files = _touches_files(change)
    name = f"sparkyard-test/gallery:{secrets.token_hex(4)}"
    _build(name, image, change)
    try:
        document = _document(name, files=files)
    finally:
        run(["docker", "image", "rm", "--force", name], check=False)
    if not files:
        document |= {part: good[part] for part in FILES}
        packages = {each["executable"]: each["packages"] for each in good["interpreters"]}
        for each in document["interpreters"]:
            each["packages"] = packages.get(each["executable"], [])
    return gallery.difference(good, document)


def _build(name: str, image: str, change: str) -> None:
    for what, instead in IN_PLACE:
        pattern = re.escape(what).replace("@site@", r"(\S+)")
        if match := re.search(pattern, change):
            filled = instead.replace("@site@", (match.groups() or ("",))[0])
            change = change.replace(match[0], filled)
    change = change.replace("RUN apt-get update && apt-get install", f"RUN {CA} {APT}").replace(
        f"{APT} -y --no-install-recommends", APT
    )
    change = change.replace("RUN apt-get update\n", "RUN touch /var/lib/apt/lists/x\n")
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        (context / "Dockerfile").write_text(f"FROM {image}\n{change}\n", encoding="utf-8")
        (context / "resolv.conf").write_text("nameserver 192.0.2.1\n", encoding="ascii")
        for authority in ("company", "one", "other"):
            (context / f"{authority}.crt").write_bytes(_certificate(authority))
        argv = ["docker", "buildx", "build", "--quiet", "--provenance=false"]
        argv += ["--output", f"type=image,name={name},compression=uncompressed"]
        run([*argv, "--secret", f"id=ca,src={CA_BUNDLE}", directory], timeout=600)


def _certificate(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _document(image: str, *, files: bool = True) -> dict[str, Any]:
    identity = facts.resolve(image)
    source = facts.collector_source()
    if not files:
        source = source.replace("collect = module.collect", f"{NO_FILES}\ncollect = module.collect")
    label = identity.labels.get(facts.BUILT_FROM, "{}")
    look = look_inside.Look("facts", source, f"{image} cannot be looked into", (), (label,))
    document: dict[str, Any] = json.loads(look_inside._run(identity.digest, look))
    return {**document, "image": dict(identity.config)}


if __name__ == "__main__":
    main(*sys.argv[1:])
