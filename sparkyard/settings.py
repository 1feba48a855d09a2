"""What does this site want: mirrors, a CA bundle, a registry?

Each setting is read from its SPARKYARD_ variable, else from sparkyard.toml in the checkout, else
from its plain variable (REGISTRY), else it has its default. No mirror and no bundle ends in an
image: they reach a build as secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sparkyard import mirror_login, paths
from sparkyard.command import mask
from sparkyard.errors import SettingsError, UnknownNameError
from sparkyard.files import toml_file
from sparkyard.names import nearest

DEBIAN_ARCHIVE = "http://deb.debian.org/debian"
SECURITY_ARCHIVE = "http://deb.debian.org/debian-security"
PYPI = "https://pypi.org/simple"
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
"""The public hosts that mirrors stand for, where Sparkyard itself asks them."""

EVIDENCE = ("images", "e2e", "kubernetes", "nightly", "parity")
"""The parts of evidence; see evidence.py."""

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
)


@dataclass(frozen=True)
class Settings:
    """The site's settings; an empty text means that there is none.

    Attributes:
        ca_bundle: PEM file with the authorities that builds trust; what this machine trusts when
            not set, nothing when set to "none".
        apt_mirror: URL that stands for http://deb.debian.org/debian.
        apt_security_mirror: URL that stands for http://deb.debian.org/debian-security.
        pypi_index: URL of a PEP 503 index that stands for https://pypi.org/simple.
        maven_mirror: URL that stands for https://repo1.maven.org/maven2.
        npm_registry: URL that stands for https://registry.npmjs.org; as cran_mirror.
        cran_mirror: URL of a CRAN, for Dockerfiles of a site's own: no image fetches from it yet.
        base_registry: registry, and a path in it where needed, from which Debian is pulled.
        registry: registry host that images are named for, e.g. registry.example.com:5000.
        namespace: path under the registry; images.toml's own when not set.
        local_registry_port: port on loopback of the registry that serves where none is named.
        compression: how layers are compressed, "zstd" or "gzip".
        signing_key: PEM file with the private key that signs releases; see release/signing_key.py.
        verification_key: PEM file with the public key that releases are verified with.
        apt_snapshot: URL under which snapshots of Debian's archive stand, asked for locked
            packages that the mirror no longer has.
        locked: refuse a build, instead of renewing the locks, where locked Debian packages are
            gone from the mirror and the snapshots.
        evidence: the parts, joined by commas, that a push and a release ask for; when not set,
            kubernetes belongs to them where KUBECONFIG names a cluster.
        event_log_dir: s3a://bucket/prefix, or a directory, whose event logs `history` shows.
        hadoop_conf_dir: directory with the core-site.xml that says how to reach S3, and as whom.
        history_port: port on loopback of the history server.
    """

    ca_bundle: str = ""
    apt_mirror: str = ""
    apt_security_mirror: str = ""
    pypi_index: str = ""
    maven_mirror: str = ""
    npm_registry: str = ""
    cran_mirror: str = ""
    base_registry: str = "docker.io/library"
    registry: str = ""
    namespace: str = ""
    local_registry_port: str = "5000"
    compression: str = "zstd"
    signing_key: str = ""
    verification_key: str = ""
    apt_snapshot: str = "https://snapshot.debian.org/archive"
    locked: bool = False
    evidence: str = "images,e2e,parity"
    event_log_dir: str = ""
    hadoop_conf_dir: str = ""
    history_port: str = "18080"

    @property
    def evidence_parts(self) -> tuple[str, ...]:
        """The names in `evidence`."""
        return tuple(part.strip() for part in self.evidence.split(",") if part.strip())


_URLS = ("apt_mirror", "apt_security_mirror", "pypi_index", "maven_mirror", "npm_registry",
         "cran_mirror", "apt_snapshot")  # fmt: skip
_PORTS = ("local_registry_port", "history_port")
_CHOICES = {"compression": ("zstd", "gzip")}
_SWITCHES = ("locked",)
"""Settings that are on or off."""
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
"""What the variable of such a setting may hold, in any case."""
_PLAIN_VARIABLES = {"registry": "REGISTRY", "ca_bundle": "SSL_CERT_FILE"}
"""Variables without our prefix that people already set, asked after the prefixed ones."""


def load(environment: Mapping[str, str] | None = None, file: Path = paths.SETTINGS) -> Settings:
    """Return the settings in force.

    Raises:
        SettingsError: a value, or ~/.netrc, cannot be used.
        UnknownNameError: sparkyard.toml has a setting that does not exist.
        MalformedFileError: sparkyard.toml is not TOML.
    """
    environment = os.environ if environment is None else environment
    known = [field.name for field in fields(Settings)]
    written = toml_file.read(file) if file.exists() else {}
    values: dict[str, Any] = {}
    for name, value in written.items():
        if name not in known:
            raise UnknownNameError(
                f'{file} sets "{name}", which is no setting.', nearest(name, known)
            )
        if name in _SWITCHES and not isinstance(value, bool):
            raise SettingsError(
                f"{file}: {name} is neither true nor false.", f"Write: {name} = true"
            )
        if name not in _SWITCHES and not isinstance(value, str):
            raise SettingsError(f"{file}: {name} is not a text.", f'Write it as: {name} = "..."')
        values[name] = value
    for name in known:
        prefixed = environment.get(f"SPARKYARD_{name.upper()}")
        plain = environment.get(_PLAIN_VARIABLES.get(name, ""))
        if prefixed is not None:
            values[name] = _switch(name, prefixed) if name in _SWITCHES else prefixed
        elif plain and name not in values:
            values[name] = plain
    if not values.get("evidence") and environment.get("KUBECONFIG"):
        values["evidence"] = f"{Settings.evidence},kubernetes"
    values["namespace"] = values.get("namespace", "").strip("/")
    settings = Settings(**{name: value for name, value in values.items() if value})
    _check(settings)
    mirrors = {name: values[name] for name in _URLS if values.get(name)}
    hosts = mirror_login.known(environment) if mirrors else {}
    values |= {name: mirror_login.with_login(url, hosts) for name, url in mirrors.items()}
    return Settings(**{name: value for name, value in values.items() if value})


def archives(settings: Settings) -> tuple[str, str]:
    """Return the URLs of Debian's archive and of its security archive, the site's own if set."""
    own = settings.apt_mirror or DEBIAN_ARCHIVE, settings.apt_security_mirror or SECURITY_ARCHIVE
    return own[0].rstrip("/"), own[1].rstrip("/")


def ca_bundle(settings: Settings) -> Path | None:
    """Return the PEM file that builds are to trust, or None for no more than the images' own.

    Raises:
        SettingsError: the file does not exist or holds no certificate.
    """
    if settings.ca_bundle == "none":
        return None
    if not settings.ca_bundle:
        return next((Path(path) for path in _SYSTEM_BUNDLES if Path(path).is_file()), None)
    bundle = Path(settings.ca_bundle)
    if not bundle.is_file():
        raise SettingsError(
            f"The CA bundle {bundle} does not exist.",
            "Set SPARKYARD_CA_BUNDLE to a PEM file, or to none; without it, ca_bundle in "
            "sparkyard.toml and the variable SSL_CERT_FILE are read.",
        )
    if "-----BEGIN CERTIFICATE-----" not in bundle.read_text(errors="replace"):
        raise SettingsError(
            f"The CA bundle {bundle} holds no PEM certificate.",
            "Set SPARKYARD_CA_BUNDLE to a file with BEGIN CERTIFICATE lines, or to none.",
        )
    return bundle


def _switch(name: str, word: str) -> bool:
    if word.lower() not in _WORDS:
        raise SettingsError(
            f'SPARKYARD_{name.upper()} is "{word}".', "Set it to 1 or 0, or leave it out."
        )
    return _WORDS[word.lower()]


def _has_host(url: str) -> bool:
    """Tell whether a URL has a host that can be a name, and a port that can be one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    labels = (parts.hostname or "").removesuffix(".").split(".")
    return all(labels) and "@" not in parts.path


def _check(settings: Settings) -> None:
    for name, choices in _CHOICES.items():
        if getattr(settings, name) not in choices:
            raise SettingsError(
                f'The setting {name} is "{getattr(settings, name)}".',
                f"Set SPARKYARD_{name.upper()} to {' or '.join(choices)}.",
            )
    for part in settings.evidence_parts or ("",):
        if part not in EVIDENCE:
            raise SettingsError(
                f'The setting evidence names "{part}", and evidence has no such part.',
                f"{nearest(part, EVIDENCE)} SPARKYARD_EVIDENCE takes parts joined by commas.",
            )
    for name in _PORTS:
        port = getattr(settings, name)
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise SettingsError(
                f'The setting {name} is "{port}", which is no port.',
                f"Set SPARKYARD_{name.upper()} to a number from 1 to 65535.",
            )
    for name in _URLS:
        value = getattr(settings, name)
        if value and not value.startswith(("http://", "https://")):
            raise SettingsError(
                f'The setting {name} is "{mask(value)}", which is no URL.',
                f"Set SPARKYARD_{name.upper()} to a URL with http:// or https://.",
            )
        if any(character in value for character in " '\"\n\\$`"):
            raise SettingsError(
                f"The setting {name} has a character that no URL has.",
                f"Set SPARKYARD_{name.upper()} to a plain URL.",
            )
        if value and not _has_host(value):
            raise SettingsError(
                f"The setting {name} names no host.",  # nor its value, which may hold a password
                f"Set SPARKYARD_{name.upper()} to a URL like https://mirror.example.com/path; a "
                "password with / or @ in it must be percent-encoded.",
            )
