"""Are the two documents valid, alike and about one image, and is each that is not refused?"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sparkyard.commands import sbom as command
from sparkyard.errors import ImageMissingError, MalformedFileError, VerificationError
from sparkyard.facts import facts, ownership
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.ownership import Count
from sparkyard.record.record import Packages
from sparkyard.sbom import components, jars, sbom
from sparkyard.sbom.jars import Coordinates

DIGEST = "sha256:" + "d" * 64
CREATED = "2026-01-31T12:00:00Z"
IMAGE = ImageIdentity(
    reference="here/notebook:moving",
    digest=DIGEST,
    architecture="amd64",
    diff_ids=(),
    labels={"org.opencontainers.image.title": "A notebook", ownership.OURS: "ee197d532b1a"},
)
ROLE = facts.PythonRole("python3", "Spark's default", "/opt/venv/bin/python")
PANDAS = facts.PythonPackage("pandas", "2.3.3", "uv", None, None, 0, "/site", (), ())
PYSPARK = facts.PythonPackage("pyspark", "3.5.9", "uv", None, None, 0, "/site", (), ())
PYTHON = facts.Interpreter(
    executable="/opt/venv/bin/python",
    resolved="/usr/bin/python3.11",
    sha256=None,
    names=(),
    version="3.11.2",
    full="",
    build="",
    implementation="CPython",
    compiler="",
    abi="",
    prefix="/opt/venv",
    base_prefix="/usr",
    stdlib=("/usr/lib/python3.11",),
    directories=("/site",),
    locale="C.UTF-8",
    encoding="UTF-8",
    packages=(PANDAS, PYSPARK),
    view={},
)
DEBIAN = {"bash": "5.2.37-2+b10", "libc6": "2.41", "libc6:i386": "2.41"}
FACTS = facts.Facts(
    schema=2,
    machine=facts.Machine("x86_64", "Linux", "Debian GNU/Linux 13 (trixie)", "glibc 2.41"),
    user=facts.User(1000, 100, "jovyan"),
    process={},
    python=facts.Pythons(ROLE, ROLE),
    interpreters=(PYTHON,),
    other_packages=(),
    java=None,
    spark=None,
    jars=(),
    conf=facts.Conf(None, None, None, {}),
    environment={},
    other_variables=(),
    timezone=facts.TimeZone("UTC", "TZ", (0,)),
    locale=facts.Locale("C.UTF-8", "UTF-8"),
    debian={
        name: facts.DebianPackage(version, "", (), (), "", 0, {})
        for name, version in DEBIAN.items()
    },
    files={},
    made_for={},
    compiled={},
    libraries={},
    r={"cli": "3.6.4"},
    missing={},
)
JARS = "/site/pyspark/jars"


def jar(name: str, **changes: Any) -> ownership.JarFile:
    known = {"poms": (), "vendor": None, "implementation": None, "licences": (), "parent": "p"}
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    path = f"{JARS}/{name}"
    return ownership.JarFile(
        **{"id": f"jar:{path}", "path": path, "sha256": sha256} | known | changes
    )


OWNED = ownership.Ownership(
    distribution=("debian", "13"),
    total=Count(1000, 5000),
    covered=Count(998, 4000),
    rules={"listed": 998},
    unaccounted=("/srv/one", "/srv/two"),
    owners={"deb:bash": Count(7, 70), "sparkyard:": Count(3, 30), "p": Count(5, 500)},
    debian={
        "bash": ownership.DebianFacts("amd64", "Matthias Klose <doko@debian.org>", "bash"),
        "libc6:i386": ownership.DebianFacts("i386", "", "glibc"),
    },
    python=(ownership.Distribution("p", "/site", "PySpark", "3.5.9", ("Apache-2.0",)),),
    r=(ownership.RPackage("r:/lib/cli", "cli", "3.6.4", ("MIT + file LICENSE",), None),),
    jars=(
        jar("own-1.0.jar", poms=(("org.example", "own", "1.0"),), licences=("BSD License",)),
        jar("xz-1.9.jar"),
        jar("rt.jar", implementation="1.8.0_504", parent=None),
        jar("epoll-4.1.96.Final-linux-x86_64.jar", poms=(("io.netty", "epoll", "4.1.96.Final"),)),
    ),
)
PACKAGES = Packages(
    debian=DEBIAN,
    python={"pandas": "2.3.3", "pyspark": "3.5.9"},
    jars={"own": "1.0", "xz": "1.9", "rt": "", "epoll-linux-x86_64": "4.1.96.Final"},
    r={"cli": "3.6.4"},
)
NONE = Packages({}, {}, {}, {})


def made() -> sbom.Sbom:
    return sbom.make(IMAGE, FACTS, OWNED, CREATED)


MADE = made()
SPDX, CYCLONEDX = json.loads(MADE.spdx), json.loads(MADE.cyclonedx)


def test_the_documents_pass_both_libraries_validators_and_the_record() -> None:
    sbom.check(MADE.spdx, MADE.cyclonedx, DIGEST, PACKAGES)


def test_each_kind_of_package_has_its_package_url() -> None:
    known = {each.purl for each in MADE.components}
    assert {
        "pkg:deb/debian/bash@5.2.37-2%2Bb10?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libc6@2.41?arch=i386&distro=debian-13",
        "pkg:pypi/pandas@2.3.3",
        "pkg:cran/cli@3.6.4",
        "pkg:maven/org.example/own@1.0",
        "pkg:maven/org.tukaani/xz@1.9",
        "pkg:maven/io.netty/epoll@4.1.96.Final?classifier=linux-x86_64",
        "pkg:generic/sparkyard@ee197d532b1a",
    } <= known
    assert {each["purl"] for each in CYCLONEDX["components"]} == known
    written = {each["externalRefs"][0]["referenceLocator"] for each in SPDX["packages"]}
    assert written - known == {f"pkg:oci/a%20notebook@{DIGEST}?arch=amd64"}


def test_kinds_and_coverage_are_counted() -> None:
    kinds = {"debian": 3, "python": 2, "jar": 4, "r": 1, "sparkyard": 1}
    assert MADE.kinds() == kinds
    assert MADE.packages == sum(kinds.values())
    assert (MADE.coverage.files, MADE.coverage.covered) == (1000, 998)
    assert MADE.coverage.share == pytest.approx(0.998)
    assert MADE.coverage.unaccounted == ("/srv/one", "/srv/two")
    assert "998 of 1000 files are accounted for" in SPDX["comment"]


def test_what_is_known_of_a_package_is_in_both_documents() -> None:
    spdx = {each["name"]: each for each in SPDX["packages"]}
    cyclonedx = {each["name"]: each for each in CYCLONEDX["components"]}
    assert spdx["bash"]["supplier"] == "Organization: Matthias Klose (doko@debian.org)"
    assert cyclonedx["bash"]["supplier"]["name"] == "Matthias Klose"
    assert spdx["bash"]["licenseDeclared"] == "NOASSERTION"
    assert spdx["pyspark"]["licenseDeclared"] == "Apache-2.0"
    assert cyclonedx["pyspark"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert spdx["own"]["licenseComments"] == "It says: BSD License"
    assert cyclonedx["own"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert spdx["own"]["packageFileName"] == f".{JARS}/own-1.0.jar"
    assert spdx["own"]["checksums"][0]["checksumValue"] == cyclonedx["own"]["hashes"][0]["content"]
    assert "7 files of the image" in spdx["bash"]["comment"]


def test_a_jar_inside_a_package_is_contained_in_it() -> None:
    ids = {each["SPDXID"]: each["name"] for each in SPDX["packages"]}
    held = {
        (ids[each["spdxElementId"]], ids[each["relatedSpdxElement"]])
        for each in SPDX["relationships"]
        if each["relationshipType"] == "CONTAINS"
    }
    assert {("pyspark", "own"), ("A notebook", "pyspark"), ("A notebook", "rt")} <= held
    assert ("A notebook", "own") not in held
    graph = {each["ref"]: each.get("dependsOn", []) for each in CYCLONEDX["dependencies"]}
    assert f"jar:{JARS}/own-1.0.jar" in graph["p"]
    assert "p" in graph["image"]


def test_the_same_image_gives_the_same_bytes_in_any_process() -> None:
    code = (
        "import hashlib; from tests.unit.sbom import test_sbom as t; m = t.made(); "
        "print(hashlib.sha256(m.spdx + m.cyclonedx).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert told == {hashlib.sha256(MADE.spdx + MADE.cyclonedx).hexdigest() + "\n"}


def test_another_tag_of_the_image_changes_nothing_and_another_digest_all() -> None:
    renamed = dataclasses.replace(IMAGE, reference="there/other:latest")
    assert sbom.make(renamed, FACTS, OWNED, CREATED) == MADE
    other = sbom.make(
        dataclasses.replace(IMAGE, digest="sha256:" + "e" * 64), FACTS, OWNED, CREATED
    )
    assert json.loads(other.cyclonedx)["serialNumber"] != CYCLONEDX["serialNumber"]
    assert json.loads(other.spdx)["documentNamespace"] != SPDX["documentNamespace"]


def test_the_time_is_the_one_that_was_given_in_utc() -> None:
    late = sbom.make(IMAGE, FACTS, OWNED, "2026-01-31T13:00:00.7992672+01:00")
    assert late == MADE
    assert SPDX["creationInfo"]["created"] == CREATED
    with pytest.raises(MalformedFileError, match="yesterday"):
        sbom.make(IMAGE, FACTS, OWNED, "yesterday")


def test_an_image_without_any_package_has_documents_too() -> None:
    empty = dataclasses.replace(
        OWNED,
        owners={},
        debian={},
        python=(),
        r=(),
        jars=(),
        total=Count(0, 0),
        covered=Count(0, 0),
    )
    nothing = dataclasses.replace(FACTS, interpreters=(), debian=None, r=None)
    bare = sbom.make(dataclasses.replace(IMAGE, labels={}), nothing, empty, CREATED)
    sbom.check(bare.spdx, bare.cyclonedx, DIGEST, NONE)
    assert (bare.packages, bare.coverage.share) == (0, 1.0)


def test_a_package_that_only_the_facts_or_only_the_files_know_is_listed() -> None:
    extra = ownership.Distribution("q", "/other/site", "Hidden_Tool", "0.1", ())
    seen = dataclasses.replace(OWNED, python=(*OWNED.python, extra), r=())
    names = {each.name for each in sbom.make(IMAGE, FACTS, seen, CREATED).components}
    assert {"hidden-tool", "pandas", "cli"} <= names


@pytest.mark.parametrize(
    ("packages", "lacking"),
    [
        (Packages({"zsh": "5.9"}, {}, {}, {}), "debian zsh 5.9"),
        (Packages({"bash": "5.2"}, {}, {}, {}), "debian bash 5.2"),
        (Packages({}, {"pandas": "2.3.4"}, {}, {}), "python pandas 2.3.4"),
        (Packages({}, {}, {"own": "1.0, 2.0"}, {}), "jar own 2.0"),
        (Packages({}, {}, {"epoll": "4.1.96.Final"}, {}), "jar epoll 4.1.96.Final"),
        (Packages({}, {}, {}, {"bash": "5.2.37-2+b10"}), "r bash"),
    ],
)
def test_documents_that_lack_what_the_record_names_are_refused(
    packages: Packages, lacking: str
) -> None:
    with pytest.raises(VerificationError, match="lacks what its record names") as refusal:
        sbom.check(MADE.spdx, MADE.cyclonedx, DIGEST, packages)
    assert lacking in refusal.value.what


def test_documents_of_another_image_are_refused() -> None:
    with pytest.raises(VerificationError, match=r"SPDX document describes sha256:d+, not sha256:0"):
        sbom.check(MADE.spdx, MADE.cyclonedx, "sha256:0", NONE)
    other = sbom.make(
        dataclasses.replace(IMAGE, digest="sha256:" + "e" * 64), FACTS, OWNED, CREATED
    )
    with pytest.raises(VerificationError, match="CycloneDX document describes sha256:e"):
        sbom.check(MADE.spdx, other.cyclonedx, DIGEST, NONE)


def test_documents_that_differ_in_a_package_are_refused() -> None:
    fewer = dict(CYCLONEDX)
    gone = fewer["components"][0]["bom-ref"]
    fewer["components"] = fewer["components"][1:]
    fewer["dependencies"] = [each for each in fewer["dependencies"] if each["ref"] != gone]
    with pytest.raises(VerificationError, match="only in SPDX"):
        sbom.check(MADE.spdx, json.dumps(fewer).encode(), DIGEST, NONE)
    altered = json.loads(MADE.spdx)
    altered["packages"][3]["versionInfo"] = "6.6.6"
    with pytest.raises(VerificationError, match=r"6\.6\.6 only in SPDX"):
        sbom.check(json.dumps(altered).encode(), MADE.cyclonedx, DIGEST, NONE)


BROKEN: list[Callable[[dict[str, Any]], object]] = [
    lambda data: data.clear(),
    lambda data: data.update(specVersion="1.5", spdxVersion="SPDX-2.2"),
    lambda data: data.update(packages="none", components="none"),
    lambda data: data.update(packages=[1], components=[1]),
    lambda data: data.update(relationships=[], metadata={}),
    lambda data: data.update(relationships={"a": 1}, dependencies={"a": 1}),
    lambda data: data.update(dataLicense="MIT", unheard="of"),
    lambda data: data.update(creationInfo=None, serialNumber="mine"),
    lambda data: [each.pop("name") for each in data.get("packages") or data["components"]],
]


@pytest.mark.parametrize("break_it", BROKEN)
@pytest.mark.parametrize("kind", ["SPDX", "CycloneDX"])
def test_a_document_that_is_not_valid_is_refused(
    kind: str, break_it: Callable[[dict[str, Any]], object]
) -> None:
    documents = {"SPDX": json.loads(MADE.spdx), "CycloneDX": json.loads(MADE.cyclonedx)}
    break_it(documents[kind])
    one, other = (json.dumps(each).encode() for each in documents.values())
    with pytest.raises(VerificationError, match=f"The {kind} document"):
        sbom.check(one, other, DIGEST, NONE)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"null", b"<xml/>", b"[" * 100000])
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="SPDX"):
        sbom.check(data, MADE.cyclonedx, DIGEST, NONE)
    with pytest.raises(VerificationError, match="CycloneDX"):
        sbom.check(MADE.spdx, data, DIGEST, NONE)


@pytest.mark.parametrize(
    ("file", "locked", "known"),
    [
        (jar("rt.jar", implementation="1.8"), "", Coordinates("", "rt", "1.8")),
        (jar("xz-1.9.jar"), "", Coordinates("org.tukaani", "xz", "1.9")),
        (
            jar("chill-1.0.jar", vendor="com.twitter", implementation="1.0"),
            "",
            Coordinates("com.twitter", "chill", "1.0"),
        ),
        (
            jar("shaded-1.0.jar", vendor="com.other", implementation="7"),
            "",
            Coordinates("", "shaded", "1.0"),
        ),
        (
            jar("a-1.0-core.jar"),
            "org/example/a/1.0/a-1.0-core.jar",
            Coordinates("org.example", "a", "1.0", "core"),
        ),
        (
            jar("own-1.0.jar", poms=(("g", "own", "1.0"),)),
            "h/own/1.0/own-1.0.jar",
            Coordinates("g", "own", "1.0"),
        ),
    ],
)
def test_coordinates_come_from_the_surest_source(
    file: ownership.JarFile, locked: str, known: Coordinates
) -> None:
    assert jars.coordinates(file, {file.sha256: locked} if locked else {}) == known


def test_the_checkouts_locks_give_coordinates() -> None:
    assert any(path.startswith("org/apache/hadoop/") for path in jars.locked_jars().values())


def test_a_documents_kind_of_package_is_told_by_its_url_and_file() -> None:
    for each in MADE.components:
        assert components.kind_of(each.purl, each.path) == each.kind


def test_the_command_names_an_image_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(reference: str) -> ImageIdentity:
        raise ImageMissingError(f"There is no image {reference}.", "Build it.")

    monkeypatch.setattr(facts, "resolve", resolve)
    with pytest.raises(ImageMissingError, match="nowhere:1"):
        command.main(["nowhere:1"])
