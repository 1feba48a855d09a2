"""Is a key that cannot be used refused with its reason, and does no key get lost?"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sparkyard.commands import keys
from sparkyard.errors import SigningKeyError
from sparkyard.release import signing_key
from sparkyard.settings import Settings

ABSENT = Path("/nonexistent/release-key.pub")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own configuration, without a key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(signing_key.PASSPHRASE, raising=False)
    return tmp_path


@pytest.fixture
def path(home: Path) -> Path:
    return home / "keys" / "release-key.pem"


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_made_pair_is_read_back_and_only_its_owner_can_read_it(path: Path) -> None:
    made = signing_key.make(path)
    assert signing_key.load(path).public.id == made.public.id
    public = signing_key.load_public(signing_key.beside(path))
    assert (public.id, public.pem) == (made.public.id, made.public.pem)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "release-key.pem",
        "release-key.pub",
    ]


def test_a_key_is_named_as_openssl_would(path: Path) -> None:
    """sha256 of what `openssl pkey -pubin -outform DER` prints."""
    made = signing_key.make(path)
    der = made.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert made.public.id == hashlib.sha256(der).hexdigest()


def test_a_private_key_does_not_show_itself(path: Path) -> None:
    made = signing_key.make(path)
    assert repr(made) == f"SigningKey({made.public.id[:12]})"


@pytest.mark.parametrize("which", ["release-key.pem", "release-key.pub"])
def test_a_pair_is_never_overwritten(path: Path, which: str) -> None:
    write(path.with_name(which), b"precious")
    with pytest.raises(SigningKeyError, match=f"{which} exists"):
        signing_key.make(path)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [b"precious"]


def test_a_place_that_cannot_be_written_is_named(home: Path) -> None:
    write(home / "file", b"")
    with pytest.raises(SigningKeyError, match="cannot be written"):
        signing_key.make(home / "file" / "release-key.pem")


def test_a_key_with_a_passphrase_opens_with_it_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing_key.PASSPHRASE, "correct horse")
    made = signing_key.make(path)
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert signing_key.load(path).public.id == made.public.id
    monkeypatch.setenv(signing_key.PASSPHRASE, "hunter2")
    with pytest.raises(SigningKeyError, match="does not open") as refused:
        signing_key.load(path)
    assert "hunter2" not in f"{refused.value.what}{refused.value.remedy}{refused.value.detail}"
    monkeypatch.delenv(signing_key.PASSPHRASE)
    with pytest.raises(SigningKeyError, match=f"encrypted, and {signing_key.PASSPHRASE}"):
        signing_key.load(path)


def test_a_passphrase_is_no_hindrance_to_a_key_without_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signing_key.make(path)
    monkeypatch.setenv(signing_key.PASSPHRASE, "for another key")
    assert signing_key.load(path).public.id == made.public.id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_private_key_that_others_can_touch_is_refused(path: Path, mode: int) -> None:
    signing_key.make(path)
    path.chmod(mode)
    with pytest.raises(SigningKeyError, match=f"mode {mode:04o}") as refused:
        signing_key.load(path)
    assert f"chmod 600 {path}" in refused.value.remedy


RSA = rsa.generate_private_key(65537, 2048)
P384 = ec.generate_private_key(ec.SECP384R1())
P256 = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


DAMAGED = private_pem(P256).replace(b"MIG", b"MIH", 1)
ED25519_PEM = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
COSIGN = b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n-----END"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no PEM file"),
        (b"\x30\x81\x87\x02\x01", "no PEM file"),
        (b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "no PEM file"),
        (public_pem(P256), "holds a public key"),
        (private_pem(RSA), r"another kind \(RSA\)"),
        (private_pem(P384), r"another kind \(elliptic curve secp384r1\)"),
        (ED25519_PEM, r"another kind \(Ed25519\)"),
        (DAMAGED, "cannot be read"),
        (COSIGN, "cosign alone reads"),
    ],
)
def test_what_is_no_private_key_for_releases_is_refused(
    path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(SigningKeyError, match=message) as refused:
        signing_key.load(write(path, content))
    assert str(path) in refused.value.what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n", "no PEM file"),
        (private_pem(P256), "holds a private key"),
        (public_pem(RSA), r"another kind \(RSA\)"),
        (public_pem(P384), r"another kind \(elliptic curve secp384r1\)"),
        (public_pem(P256).replace(b"MFk", b"MFz"), "cannot be read"),
    ],
)
def test_what_is_no_public_key_for_releases_is_refused(
    path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(SigningKeyError, match=message):
        signing_key.load_public(write(path, content, 0o644))


@pytest.mark.parametrize("read", [signing_key.load, signing_key.load_public])
def test_a_missing_key_says_how_to_make_one(path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(SigningKeyError, match=f"no key {path}") as refused:
        read(path)
    assert "nox -s keys" in refused.value.remedy


@pytest.mark.parametrize("read", [signing_key.load, signing_key.load_public])
def test_a_directory_is_no_key(home: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(SigningKeyError, match="cannot be read: Is a directory"):
        read(home)


def test_keys_stand_where_settings_say(home: Path) -> None:
    default = home / "config" / "sparkyard" / "release-key.pem"
    assert signing_key.signing_path(Settings()) == default
    assert signing_key.signing_path(Settings(signing_key="/k.pem")) == Path("/k.pem")
    assert signing_key.verification_path(Settings(), ABSENT) == default.with_suffix(".pub")
    committed = write(home / "conf" / "release-key.pub", b"")
    assert signing_key.verification_path(Settings(), committed) == committed
    named = Settings(verification_key="/v.pub")
    assert signing_key.verification_path(named, committed) == Path("/v.pub")


@pytest.mark.parametrize("registry", ["", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"])
def test_a_first_release_on_this_machine_makes_a_pair_and_says_so(
    registry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(registry=registry)
    made = signing_key.ensure(settings, ABSENT)
    said = capsys.readouterr().err
    assert "MADE A NEW KEY" in said
    assert str(signing_key.signing_path(settings)) in said
    assert made.public.id[:12] in said
    assert signing_key.ensure(settings, ABSENT).public.id == made.public.id
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "settings",
    [
        Settings(registry="registry.example.com"),
        Settings(registry="registry.example.com:5000"),
        Settings(signing_key="/nonexistent/mine.pem"),
        Settings(verification_key="/nonexistent/theirs.pub"),
    ],
)
def test_nobody_else_gets_a_key_unasked(settings: Settings) -> None:
    with pytest.raises(SigningKeyError, match="There is no key") as refused:
        signing_key.ensure(settings, ABSENT)
    assert "nox -s keys" in refused.value.remedy
    assert not signing_key.signing_path(settings).exists()


def test_no_pair_is_made_where_another_public_key_is_published(home: Path) -> None:
    committed = write(home / "release-key.pub", public_pem(P256))
    with pytest.raises(SigningKeyError, match="There is no key"):
        signing_key.ensure(Settings(), committed)


def test_a_private_key_without_its_public_one_gets_it(home: Path) -> None:
    path = signing_key.signing_path(Settings())
    mine = signing_key.make(path)
    signing_key.beside(path).unlink()
    assert signing_key.ensure(Settings(), ABSENT).public.id == mine.public.id
    assert signing_key.load_public(signing_key.beside(path)).id == mine.public.id
    absent = Settings(verification_key=str(home / "theirs.pub"))
    with pytest.raises(SigningKeyError, match=r"theirs\.pub"):
        signing_key.ensure(absent, ABSENT)


def test_a_key_that_nobody_verifies_with_does_not_sign(home: Path) -> None:
    mine = signing_key.make(signing_key.signing_path(Settings()))
    committed = write(home / "release-key.pub", public_pem(P256))
    with pytest.raises(SigningKeyError, match="not the one") as refused:
        signing_key.ensure(Settings(), committed)
    assert mine.public.id[:12] in refused.value.what
    assert signing_key.VerificationKey(P256.public_key()).id[:12] in refused.value.what


def test_the_command_makes_a_pair_and_tells_where_it_goes(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPARKYARD_SIGNING_KEY", str(path))
    assert keys.main([]) == 0
    made = signing_key.load(path)
    said = capsys.readouterr()
    assert made.public.pem in said.out
    assert made.public.id in said.out
    assert "conf/release-key.pub" in said.out
    assert "PRIVATE" not in said.out + said.err
    with pytest.raises(SigningKeyError, match="exists"):
        keys.main([])
    assert signing_key.load(path).public.id == made.public.id
    assert keys.main(["--show"]) == 0
    assert made.public.id in capsys.readouterr().out


def test_showing_a_key_that_is_not_there_makes_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKYARD_SIGNING_KEY", str(path))
    with pytest.raises(SigningKeyError, match="There is no key"):
        keys.main(["--show"])
    assert not path.exists()


def test_the_passphrase_is_never_told(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SPARKYARD_SIGNING_KEY", str(path))
    monkeypatch.setenv(signing_key.PASSPHRASE, "correct horse")
    keys.main([])
    keys.main(["--show"])
    said = capfd.readouterr()
    assert "correct horse" not in said.out + said.err + caplog.text
    assert os.environ[signing_key.PASSPHRASE].encode() not in path.read_bytes()
