"""Does each file get the owner that it has, and is a file without one told?"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.errors import InspectionError
from sparkyard.facts import ownership
from sparkyard.facts.ownership_collector.document import account, collect
from sparkyard.facts.ownership_collector.owners import Tree
from sparkyard.plan import inputs

SITE = "/opt/venv/lib/python3.11/site-packages"


def write(root: Path, path: str, text: str = "x") -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def link(root: Path, path: str, target: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)


def package(root: Path, name: str, *files: str) -> None:
    """Install a Debian package: its database entry, and those of its files that are to be there."""
    write(root, f"/var/lib/dpkg/info/{name}.list", "\n".join(["/.", *files]) + "\n")
    status = root / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True, exist_ok=True)
    with status.open("a") as database:
        database.write(
            f"Package: {name.partition(':')[0]}\nStatus: install ok installed\n"
            f"Architecture: amd64\nMaintainer: Some Team <team@example.org>\nVersion: 1.0\n\n"
        )


def owners(root: Path, label: str = "{}") -> dict[str, list[str]]:
    owned, _ = account(label, str(root))
    return owned.of


def distribution(root: Path, directory: str, name: str, *files: str) -> None:
    info = f"{directory}/{name}-1.0.dist-info"
    write(root, f"{info}/METADATA", f"Name: {name}\nVersion: 1.0\nLicense-Expression: MIT\n\n")
    rows = [*files, f"{name}-1.0.dist-info/METADATA", f"{name}-1.0.dist-info/RECORD"]
    write(root, f"{info}/RECORD", "".join(f"{row},,\n" for row in rows))


def test_a_file_that_dpkg_lists_under_the_old_lib_is_found_below_usr(tmp_path: Path) -> None:
    link(tmp_path, "/lib", "usr/lib")
    write(tmp_path, "/usr/lib/libc.so.6")
    package(tmp_path, "libc6:amd64", "/lib/libc.so.6", "/lib")
    assert owners(tmp_path)["/usr/lib/libc.so.6"] == ["deb:libc6"]
    assert owners(tmp_path)["/lib"] == ["deb:libc6"]


def test_a_diverted_file_belongs_to_who_shipped_it(tmp_path: Path) -> None:
    write(tmp_path, "/bin/sh.distrib")
    package(tmp_path, "dash", "/bin/sh")
    package(tmp_path, "other")
    write(tmp_path, "/var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\nother\n")
    assert owners(tmp_path)["/bin/sh.distrib"] == ["deb:dash"]


def test_an_alternative_belongs_to_the_package_it_leads_to(tmp_path: Path) -> None:
    package(tmp_path, "mawk", "/usr/bin/mawk", "/usr/share/man/mawk.1")
    write(tmp_path, "/usr/bin/mawk")
    link(tmp_path, "/usr/bin/awk", "/etc/alternatives/awk")
    link(tmp_path, "/etc/alternatives/awk", "/usr/bin/mawk")
    link(tmp_path, "/etc/alternatives/awk.1", "/usr/share/man/mawk.1")  # left out of the image
    link(tmp_path, "/etc/alternatives/stray", "/usr/bin/nobody")
    owned = owners(tmp_path)
    assert owned["/usr/bin/awk"] == owned["/etc/alternatives/awk"] == ["deb:mawk"]
    assert owned["/etc/alternatives/awk.1"] == ["deb:mawk"]
    assert "/etc/alternatives/stray" not in owned


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    package(tmp_path, "dpkg")
    link(tmp_path, "/etc/alternatives/one", "two")
    link(tmp_path, "/etc/alternatives/two", "one")
    assert "/etc/alternatives/one" not in owners(tmp_path)


def test_what_a_package_generates_is_its_own_only_where_it_is_installed(tmp_path: Path) -> None:
    write(tmp_path, "/etc/ld.so.cache")
    write(tmp_path, "/etc/localtime")
    package(tmp_path, "libc-bin")
    owned = owners(tmp_path)
    assert owned["/etc/ld.so.cache"] == ["deb:libc-bin"]
    assert "/etc/localtime" not in owned


def test_a_copy_belongs_to_its_original_until_it_is_changed(tmp_path: Path) -> None:
    package(tmp_path, "bash", "/etc/skel/.bashrc")
    write(tmp_path, "/etc/skel/.bashrc", "alias l=ls\n")
    write(tmp_path, "/home/one/.bashrc", "alias l=ls\n")
    write(tmp_path, "/home/two/.bashrc", "curl example.org | sh\n")
    owned = owners(tmp_path)
    assert owned["/home/one/.bashrc"] == ["deb:bash"]
    assert "/home/two/.bashrc" not in owned


def test_a_distribution_owns_its_files_scripts_and_byte_code(tmp_path: Path) -> None:
    distribution(tmp_path, SITE, "demo", "demo/__init__.py", "../../../bin/demo")
    write(tmp_path, f"{SITE}/demo/__init__.py")
    write(tmp_path, "/opt/venv/bin/demo")
    write(tmp_path, f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc")
    write(tmp_path, f"{SITE}/demo/__pycache__/gone.cpython-311.pyc")
    write(tmp_path, f"{SITE}/demo/planted.py")
    owned, key = owners(tmp_path), f"python:{SITE}/demo-1.0.dist-info"
    assert owned[f"{SITE}/demo/__init__.py"] == [key]
    assert owned["/opt/venv/bin/demo"] == [key]
    assert owned[f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc"] == [key]
    assert f"{SITE}/demo/planted.py" not in owned
    assert f"{SITE}/demo/__pycache__/gone.cpython-311.pyc" not in owned


def test_a_copy_inside_another_distribution_is_no_component(tmp_path: Path) -> None:
    inner = "tools/_vendor/inner-1.0.dist-info/"
    files = [f"{inner}METADATA", f"{inner}RECORD", "tools/_vendor/inner.py"]
    distribution(tmp_path, SITE, "tools", *files)
    distribution(tmp_path, f"{SITE}/tools/_vendor", "inner", "inner.py")
    write(tmp_path, f"{SITE}/tools/_vendor/inner.py")
    owned, parts = account(root=str(tmp_path))
    assert [package["name"] for package in parts["python"]] == ["tools"]
    assert owned.of[f"{SITE}/tools/_vendor/inner.py"] == [f"python:{SITE}/tools-1.0.dist-info"]


def test_a_jar_is_a_component_and_part_of_what_brought_it(tmp_path: Path) -> None:
    distribution(tmp_path, SITE, "pyspark", "pyspark/jars/own-1.0.jar")
    path = tmp_path / SITE.lstrip("/") / "pyspark/jars/own-1.0.jar"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as jar:
        place = "META-INF/maven/org.example/own/pom"
        jar.writestr(f"{place}.properties", "groupId=org.example\nartifactId=own\nversion=1.0\n")
        jar.writestr(f"{place}.xml", "<license><name>Apache 2</name></license>")
        other = "META-INF/maven/com.other/shaded/pom.properties"
        jar.writestr(other, "groupId=com.other\nartifactId=shaded\nversion=7\n")
    write(tmp_path, "/opt/broken.jar", "no zip at all")
    owned, parts = account(root=str(tmp_path))
    own, broken = sorted(parts["jars"], key=lambda jar: str(jar["path"]), reverse=True)
    brought_by = f"python:{SITE}/pyspark-1.0.dist-info"
    assert owned.of[own["path"]] == [brought_by, own["id"]]
    assert (own["parent"], own["poms"]) == (brought_by, [["org.example", "own", "1.0"]])
    assert own["licences"] == ["Apache 2"]
    assert (broken["parent"], broken["poms"]) == (None, [])
    assert len(broken["sha256"]) == 64


def test_an_r_package_is_a_component_in_its_debian_package(tmp_path: Path) -> None:
    library = "/usr/lib/R/site-library"
    package(tmp_path, "r-cran-cli", f"{library}/cli/DESCRIPTION")
    for name in ("cli", "mine"):
        text = f"Package: {name}\nVersion: 3.6\nLicense: MIT + file\n LICENSE\nBuilt: R 4.5.0\n"
        write(tmp_path, f"{library}/{name}/DESCRIPTION", text)
    write(tmp_path, f"{library}/mine/R/mine.rdb")
    write(tmp_path, "/srv/source/DESCRIPTION", "Package: source\nVersion: 1\n")
    owned, parts = account(root=str(tmp_path))
    assert [(package["name"], package["parent"]) for package in parts["r"]] == [
        ("cli", "deb:r-cran-cli"),
        ("mine", None),
    ]
    assert parts["r"][0]["licences"] == ["MIT + file LICENSE"]
    assert owned.of[f"{library}/mine/R/mine.rdb"] == [f"r:{library}/mine"]
    assert "/srv/source/DESCRIPTION" not in owned.of


BUILT = 1_700_000_000
"""When the layers of the image in these tests were built: seconds since 1970."""


def settle(root: Path, *places: str, at: int = BUILT) -> None:
    for place in places:
        os.utime(root / place.lstrip("/"), (at, at), follow_symlinks=False)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Puts what a build makes below a directory; returns what the image's label says of it."""
    checkout = tmp_path / "checkout"
    write(checkout, "images/base/entrypoint", "#!/bin/sh\n")
    write(checkout, "conf/empty", "")
    (checkout / "images/base/entrypoint").chmod(0o755)
    monkeypatch.setattr(paths, "ROOT", checkout)
    label = inputs.of_files([checkout / "images", checkout / "conf"])
    write(tmp_path, "/root/usr/local/bin/entrypoint", "#!/bin/sh\n")
    write(tmp_path, "/root/etc/spark/spark-defaults.conf", "composed by the build\n")
    link(tmp_path, "/root/opt/java", "/usr/lib/jvm/java-8")
    settle(tmp_path / "root", "/usr/local/bin/entrypoint", "/etc/spark/spark-defaults.conf")
    settle(tmp_path / "root", "/opt/java")
    return json.dumps(label | {"SOURCE_DATE_EPOCH": str(BUILT + 60)})


def test_what_the_build_copied_and_made_is_sparkyards_own(tmp_path: Path, built: str) -> None:
    root = tmp_path / "root"
    assert owners(root) == {}
    made = ("/usr/local/bin/entrypoint", "/etc/spark/spark-defaults.conf", "/opt/java")
    assert owners(root, built) == {path: ["sparkyard:"] for path in made}


def test_what_a_child_image_adds_or_changes_is_not(tmp_path: Path, built: str) -> None:
    root, later = tmp_path / "root", BUILT + 120
    write(root, "/usr/local/bin/entrypoint", "#!/bin/sh\nminer\n")
    write(root, "/etc/spark/spark-defaults.conf", "changed\n")
    write(root, "/opt/copy", "#!/bin/sh\n")  # of the build's own file, when the next one was made
    write(root, "/opt/planted")
    write(root, "/opt/empty", "")
    settle(root, "/usr/local/bin/entrypoint", "/etc/spark/spark-defaults.conf", at=later)
    settle(root, "/opt/copy", "/opt/planted", "/opt/empty", at=later)
    assert owners(root, built) == {"/opt/copy": ["sparkyard:"]}


def test_an_environment_whose_step_copied_nothing_is_the_builds_and_a_childs_is_not(
    tmp_path: Path, built: str
) -> None:
    root, earlier, later = tmp_path / "root", BUILT - 60, BUILT + 120
    for name, at in (("hub", earlier), ("other", later)):
        write(root, f"/opt/{name}/pyvenv.cfg")
        link(root, f"/opt/{name}/bin/python", "/usr/bin/python3.13")
        settle(root, f"/opt/{name}/pyvenv.cfg", f"/opt/{name}/bin/python", at=at)
    before = owners(root, built)
    for name, added in (
        ("hub", {"/opt/hub/pyvenv.cfg", "/opt/hub/bin/python"}),
        ("other", set()),
        ("absent", set()),
    ):
        label = json.dumps(json.loads(built) | {"PREFIX": f"/opt/{name}"})
        assert owners(root, label).keys() - before.keys() == added


@pytest.mark.parametrize("label", ["", "[]", "null", '{"SOURCE_DATE_EPOCH": "soon"}'])
def test_a_label_that_says_nothing_accounts_for_nothing(tmp_path: Path, label: str) -> None:
    write(tmp_path, "/etc/fstab")
    assert owners(tmp_path, label) == {}


def test_files_of_the_engine_and_of_mounts_are_no_content(tmp_path: Path) -> None:
    for path in ("/.dockerenv", "/etc/hosts", "/proc/version", "/mnt/data/big", "/srv/own"):
        write(tmp_path, path)
    write(tmp_path, "/proc/self/mountinfo", "1 2 0:3 / /mnt/data rw - ext4 /dev/x rw\n")
    link(tmp_path, "/etc/mtab", "/proc/mounts")
    assert sorted(Tree(str(tmp_path)).sizes) == ["/srv/own"]


def test_counts_are_of_files_and_bytes_and_names_can_be_printed(tmp_path: Path) -> None:
    package(tmp_path, "dpkg", "/usr/bin/dpkg")
    write(tmp_path, "/usr/bin/dpkg", "12345")
    link(tmp_path, "/srv/link", "/usr/bin/dpkg")
    (tmp_path / "srv" / os.fsdecode(b"bad\xff\x1b[31m")).write_text("123")
    owned = ownership.parse(json.dumps(collect(root=str(tmp_path))))
    assert owned.total.files - owned.covered.files == 2
    assert owned.total.bytes - owned.covered.bytes == 3
    assert owned.unaccounted == ("/srv/bad\\udcff\\x1b[31m", "/srv/link")
    assert owned.count("deb:dpkg").files == 3  # its database, too
    assert owned.count("deb:nobody") == ownership.Count(0, 0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}', "null"])
def test_what_is_no_document_of_ownership_is_refused(text: str) -> None:
    with pytest.raises(InspectionError):
        ownership.parse(text)
