"""Where does a setting come from, and is one that cannot be used refused?"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sparkyard import settings
from sparkyard.errors import MalformedFileError, SettingsError, UnknownNameError
from sparkyard.settings import Settings

URLS = (
    "apt_mirror", "apt_security_mirror", "pypi_index", "maven_mirror", "npm_registry",
    "cran_mirror", "apt_snapshot",
)  # fmt: skip
VALUES = {
    **dict.fromkeys(URLS, ("http://a", "http://b")),
    "local_registry_port": ("5001", "5002"),
    "history_port": ("8081", "8082"),
    "compression": ("gzip", "zstd"),
    "evidence": ("parity", "e2e, nightly"),
}
"""Two values of each setting that takes not just any text."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sparkyard.toml"


def test_by_default_nothing_is_set(file: Path) -> None:
    assert settings.load({}, file) == Settings()
    assert [field.name for field in fields(Settings) if getattr(Settings(), field.name)] == [
        "base_registry",
        "local_registry_port",
        "compression",
        "apt_snapshot",
        "evidence",
        "history_port",
    ]


@pytest.mark.parametrize("name", [f.name for f in fields(Settings) if f.type != "bool"])
def test_each_comes_from_its_variable_else_from_the_file(file: Path, name: str) -> None:
    first, second = VALUES.get(name, ("a", "b"))
    file.write_text(f'{name} = "{first}"\n')
    assert getattr(settings.load({}, file), name) == first
    assert getattr(settings.load({f"SPARKYARD_{name.upper()}": second}, file), name) == second


@pytest.mark.parametrize(
    ("variable", "name"), [("REGISTRY", "registry"), ("SSL_CERT_FILE", "ca_bundle")]
)
def test_a_plain_variable_comes_last(file: Path, variable: str, name: str) -> None:
    plain = {variable: "plain"}
    assert getattr(settings.load(plain, file), name) == "plain"
    prefixed = {**plain, f"SPARKYARD_{name.upper()}": "own"}
    assert getattr(settings.load(prefixed, file), name) == "own"
    file.write_text(f'{name} = "file"\n')
    assert getattr(settings.load(plain, file), name) == "file"


def test_an_empty_variable_takes_a_setting_away(file: Path) -> None:
    file.write_text('pypi_index = "http://a"\nbase_registry = "r"\n')
    empty = {"SPARKYARD_PYPI_INDEX": "", "SPARKYARD_BASE_REGISTRY": ""}
    assert settings.load(empty, file) == Settings()


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({}, ("images", "e2e", "parity")),
        ({"KUBECONFIG": ""}, ("images", "e2e", "parity")),
        ({"KUBECONFIG": "/x"}, ("images", "e2e", "parity", "kubernetes")),
        ({"KUBECONFIG": "/x", "SPARKYARD_EVIDENCE": " parity , e2e,"}, ("parity", "e2e")),
    ],
)
def test_tests_on_a_cluster_are_asked_for_where_one_is_named(
    file: Path, environment: dict[str, str], parts: tuple[str, ...]
) -> None:
    assert settings.load(environment, file).evidence_parts == parts


@pytest.mark.parametrize(
    ("value", "remedy"),
    [("e2e,kubernets", "Did you mean kubernetes?"), (",", "Known are: e2e, images")],
)
def test_a_part_of_evidence_that_does_not_exist(file: Path, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.load({"SPARKYARD_EVIDENCE": value}, file)
    assert refusal.value.exit_code == 16
    assert remedy in refusal.value.remedy


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "value",
    ["host/path", "ftp://x", "file:///x", "http://a b", "http://a'b", 'http://a"b', "http://a$(b)",
     "http://a`b`", "http://a\nb", "http://a\\b", "http://[a/b", "http://a..b/", "http:///b",
     "http://a:99999/b", "http://me:s3/cret@a/b"],
)  # fmt: skip
def test_refuses_what_is_no_url(file: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.load({f"SPARKYARD_{name.upper()}": value}, file)
    assert name in refusal.value.what
    assert "s3/cret" not in refusal.value.what
    assert f"SPARKYARD_{name.upper()}" in refusal.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compression", "xz"),
        *(("local_registry_port", port) for port in ("0", "65536", "-1", "5000/tcp", "\u0665")),
        ("history_port", "http"),
    ],
)
def test_refuses_what_is_no_choice_and_no_port(file: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.load({f"SPARKYARD_{name.upper()}": value}, file)
    assert name in refusal.value.what
    assert value in refusal.value.what


@pytest.mark.parametrize(
    ("written", "variable", "on"),
    [
        ("", None, False), ("locked = true", None, True), ("locked = false", None, False),
        ("", "1", True), ("", "TRUE", True), ("locked = true", "0", False),
        ("locked = true", "no", False), ("locked = true", "", False),
    ],
)  # fmt: skip
def test_a_switch_is_on_or_off(file: Path, written: str, variable: str | None, on: bool) -> None:
    file.write_text(f"{written}\n")
    environment = {} if variable is None else {"SPARKYARD_LOCKED": variable}
    assert settings.load(environment, file).locked is on


def test_refuses_what_is_no_switch(file: Path) -> None:
    with pytest.raises(SettingsError, match=r'SPARKYARD_LOCKED is "maybe"'):
        settings.load({"SPARKYARD_LOCKED": "maybe"}, file)
    file.write_text('locked = "true"\n')
    with pytest.raises(SettingsError, match="locked is neither true nor false") as refusal:
        settings.load({}, file)
    assert "locked = true" in refusal.value.remedy


def test_a_namespace_has_no_slash_at_its_ends(file: Path) -> None:
    assert settings.load({"SPARKYARD_NAMESPACE": "/team/spark/"}, file).namespace == "team/spark"


def test_a_password_in_a_value_is_not_told(file: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings.load({"SPARKYARD_PYPI_INDEX": "ftp://me:s3cret@host"}, file)
    assert "s3cret" not in refusal.value.what


def test_an_unknown_setting(file: Path) -> None:
    file.write_text('pypi_indx = "x"\n')
    with pytest.raises(UnknownNameError, match="pypi_indx") as refusal:
        settings.load({}, file)
    assert refusal.value.remedy == "Did you mean pypi_index?"


def test_a_setting_that_is_no_text(file: Path) -> None:
    file.write_text("namespace = 1\n")
    with pytest.raises(SettingsError, match="namespace is not a text"):
        settings.load({}, file)


def test_a_file_that_is_no_toml(file: Path) -> None:
    file.write_text("namespace = x\n")
    with pytest.raises(MalformedFileError, match="line 1"):
        settings.load({}, file)


def test_no_bundle_where_none_is_wanted() -> None:
    assert settings.ca_bundle(Settings(ca_bundle="none")) is None


def test_this_machines_bundle_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "_SYSTEM_BUNDLES", (str(tmp_path / "no"), str(tmp_path / "yes")))
    assert settings.ca_bundle(Settings()) is None
    (tmp_path / "yes").write_text("x")
    assert settings.ca_bundle(Settings()) == tmp_path / "yes"


def test_a_bundle_of_ones_own(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    wanted = Settings(ca_bundle=str(bundle))
    with pytest.raises(SettingsError, match="does not exist"):
        settings.ca_bundle(wanted)
    bundle.write_bytes(b"\xff\x00 binary, as a DER file is")
    with pytest.raises(SettingsError, match="holds no PEM certificate"):
        settings.ca_bundle(wanted)
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    assert settings.ca_bundle(wanted) == bundle


def test_netrc_is_asked_for_mirrors_and_for_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine m login ann password a/b\n")
    variables = {
        "HOME": str(tmp_path), "SPARKYARD_PYPI_INDEX": "https://m/simple", "REGISTRY": "m",
    }  # fmt: skip
    found = settings.load(variables, tmp_path / "none.toml")
    assert found.pypi_index == "https://ann:a%2Fb@m/simple"
    assert (found.registry, found.maven_mirror) == ("m", "")
    assert found.apt_snapshot == Settings.apt_snapshot
