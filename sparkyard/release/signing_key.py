"""With which key is a release signed, and with which is it verified?

One kind of key: ECDSA on P-256 in PEM files, which is what cosign and openssl read too. The private
one is the user's alone; its passphrase, if it has one, comes from the environment and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from sparkyard import paths
from sparkyard.console import note
from sparkyard.errors import SigningKeyError
from sparkyard.registry.oci import LOOPBACK
from sparkyard.settings import Settings

COMMITTED = paths.ROOT / "conf" / "release-key.pub"
"""The public key that everybody with the checkout verifies with."""

PASSPHRASE = "SPARKYARD_KEY_PASSPHRASE"  # noqa: S105 - the name of it
"""The environment variable with the private key's passphrase."""

_MAKE = "Make a pair with `nox -s keys`, or name yours in the setting {setting}."
_PRIVATE_TO_ME = 0o600


@dataclass(frozen=True)
class VerificationKey:
    """A public key."""

    key: ec.EllipticCurvePublicKey

    @property
    def pem(self) -> str:
        """The key as its file holds it."""
        form = PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(Encoding.PEM, form).decode()

    @property
    def id(self) -> str:
        """Its name: the sha256 of its DER form, in hex."""
        form = PublicFormat.SubjectPublicKeyInfo
        return hashlib.sha256(self.key.public_bytes(Encoding.DER, form)).hexdigest()


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key; it shows itself by its public half's name alone."""

    key: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> VerificationKey:
        """The key that verifies what this one signs."""
        return VerificationKey(self.key.public_key())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.id[:12]})"


def signing_path(settings: Settings) -> Path:
    """Return where the private key is, or would be made."""
    if settings.signing_key:
        return Path(settings.signing_key).expanduser()
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "sparkyard" / "release-key.pem"


def beside(private: Path) -> Path:
    """Return where the public half of a private key's file is written."""
    return private.with_suffix(".pub")


def verification_path(settings: Settings, committed: Path = COMMITTED) -> Path:
    """Return the public key's file: the setting's, the checkout's, or the private key's own."""
    if settings.verification_key:
        return Path(settings.verification_key).expanduser()
    return committed if committed.exists() else beside(signing_path(settings))


def load(path: Path) -> SigningKey:
    """Return the private key in a file.

    Raises:
        SigningKeyError: it is missing, open to others, encrypted otherwise, or no such key.
    """
    pem = _read(path, "signing_key")
    if b"PUBLIC KEY-----" in pem and b"PRIVATE KEY-----" not in pem:
        raise SigningKeyError(
            f"{path} holds a public key, which signs nothing.",
            "Name the file with the private key in the setting signing_key.",
        )
    _check_pem(path, pem)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise SigningKeyError(
            f"The private key {path} is open to other users of this machine (mode {mode:04o}).",
            f"Run: chmod 600 {path}. If others may have read it, make a new pair.",
        )
    encrypted = b"ENCRYPTED" in pem
    passphrase = os.environ.get(PASSPHRASE, "")
    if encrypted and not passphrase:
        raise SigningKeyError(
            f"The private key {path} is encrypted, and {PASSPHRASE} is not set.",
            f"Put its passphrase into the environment variable {PASSPHRASE}.",
        )
    try:
        key = load_pem_private_key(pem, passphrase.encode() if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise SigningKeyError(
                f"The passphrase in {PASSPHRASE} does not open the private key {path}.",
                "Set the passphrase that it was made with.",
            ) from error
        raise _damaged(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _other_kind(path, type(key).__name__)
    _check_curve(path, key.curve)
    return SigningKey(key)


def load_public(path: Path) -> VerificationKey:
    """Return the public key in a file.

    Raises:
        SigningKeyError: it is missing or no such key.
    """
    pem = _read(path, "verification_key")
    if b"PRIVATE KEY-----" in pem:
        raise SigningKeyError(
            f"{path} holds a private key, and verifying takes a public one.",
            f"Name the public key's file, e.g. {beside(path)}.",
        )
    _check_pem(path, pem)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _damaged(path) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _other_kind(path, type(key).__name__)
    _check_curve(path, key.curve)
    return VerificationKey(key)


def make(path: Path) -> SigningKey:
    """Make a pair, write the private key to `path` and the public one beside it.

    The private key is encrypted where SPARKYARD_KEY_PASSPHRASE is set.

    Raises:
        SigningKeyError: one of the two files exists, or cannot be written.
    """
    public = beside(path)
    for taken in (path, public):
        if taken.exists():
            raise SigningKeyError(
                f"{taken} exists: a key that signed releases is never overwritten.",
                "Use it, or move it away to a safe place first. `nox -s keys -- --show` shows it.",
            )
    made = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    passphrase = os.environ.get(PASSPHRASE, "")
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    pem = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, pem)
        _write_new(public, made.public.pem.encode())
        public.chmod(0o644)
    except OSError as error:
        raise SigningKeyError(
            f"The key {error.filename or path} cannot be written: {error.strerror}.",
            _MAKE.format(setting="signing_key"),
        ) from error
    return made


def ensure(settings: Settings, committed: Path = COMMITTED) -> SigningKey:
    """Return the key to sign with; for a registry of this machine, make a pair where none is.

    Raises:
        SigningKeyError: there is no usable key, or releases are verified with another one.
    """
    path = signing_path(settings)
    if path.exists() or not _may_make(settings, committed):
        key = load(path)
    else:
        key = make(path)
        note(
            f"MADE A NEW KEY FOR SIGNING RELEASES: {path} (id {key.public.id[:12]}). Keep it safe. "
            f"Who verifies needs {beside(path)}: commit it as conf/{COMMITTED.name}."
        )
    verified = verification_path(settings, committed)
    if not verified.exists():
        _provide_public(verified, key, settings)
    if verified.exists() and load_public(verified).id != key.public.id:
        raise SigningKeyError(
            f"The private key {path} is not the one that releases are verified with: "
            f"its id is {key.public.id[:12]}, {verified} has {load_public(verified).id[:12]}.",
            "Sign with the private key of that public key, or publish the new public key first.",
        )
    return key


def _provide_public(path: Path, key: SigningKey, settings: Settings) -> None:
    """Write the public key beside a private one that came without: else nobody could verify."""
    if settings.verification_key:
        raise SigningKeyError(
            f"There is no public key {path}, with which releases are to be verified.",
            "Put it there (nox -s keys -- --show prints it), or unset SPARKYARD_VERIFICATION_KEY.",
        )
    try:
        _write_new(path, key.public.pem.encode())
        path.chmod(0o644)
    except OSError as error:
        raise SigningKeyError(
            f"The public key {path} cannot be written: {error.strerror}.",
            "Give this user access to its directory, or set SPARKYARD_SIGNING_KEY.",
        ) from error


def _may_make(settings: Settings, committed: Path) -> bool:
    """Tell whether nobody relies on a key yet: none named, none published, no shared registry."""
    host = settings.registry
    local = not host or host in LOOPBACK or host.rsplit(":", 1)[0] in LOOPBACK
    return (
        local
        and not settings.signing_key
        and not settings.verification_key
        and not committed.exists()
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that others cannot read, whole or not at all, and never over another."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _PRIVATE_TO_ME)
            file.write(data)
        os.link(name, path)
    finally:
        os.unlink(name)


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SigningKeyError(f"There is no key {path}.", _MAKE.format(setting=setting)) from error
    except OSError as error:
        raise SigningKeyError(
            f"The key {path} cannot be read: {error.strerror}.",
            "Give yourself access to it, and nobody else.",
        ) from error


def _check_pem(path: Path, pem: bytes) -> None:
    if b"-----BEGIN " not in pem or b" KEY-----" not in pem:
        raise SigningKeyError(
            f"{path} is no PEM file with a key.", "Name a file with a line -----BEGIN ... KEY-----."
        )
    if b"SIGSTORE" in pem or b"COSIGN" in pem:
        raise SigningKeyError(
            f"{path} is a private key in a form that cosign alone reads.",
            "Make a pair with `nox -s keys`: cosign verifies with its public key all the same.",
        )


def _check_curve(path: Path, curve: ec.EllipticCurve) -> None:
    if not isinstance(curve, ec.SECP256R1):
        raise _other_kind(path, f"elliptic curve {curve.name}")


def _damaged(path: Path) -> SigningKeyError:
    return SigningKeyError(
        f"{path} looks like a PEM file, but its key cannot be read.",
        "Take the file from where it was kept whole.",
    )


def _other_kind(path: Path, kind: str) -> SigningKeyError:
    named = kind.removesuffix("PrivateKey").removesuffix("PublicKey").lstrip("_")
    return SigningKeyError(
        f"The key in {path} is of another kind ({named}): releases take ECDSA on P-256.",
        "Make one with `nox -s keys`, or: openssl genpkey -algorithm EC "
        "-pkeyopt ec_paramgen_curve:P-256",
    )
