"""Does the client get along with a real registry: locked, private, full, read-only, killed?"""

from __future__ import annotations

import base64
import datetime
import io
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sparkyard.command import Completed, run
from sparkyard.engine import engine
from sparkyard.errors import (
    CertificateError,
    RegistryCredentialsError,
    RegistryRefusedError,
    RegistryUnreachableError,
    SettingsError,
)
from sparkyard.plan.plan import Site
from sparkyard.push import push
from sparkyard.push.push import Upload
from sparkyard.registry import oci
from sparkyard.registry.blobs import Layout
from sparkyard.registry.http import Limits
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.registry import Registry
from sparkyard.services import local_registry
from sparkyard.settings import Settings
from tests.support import Lab
from tests.unit import layouts

PATIENT = Limits(retries=8, backoff=0.1, silence=20)
PASSWORD = "pw-4d1e"  # noqa: S105
HTPASSWD = "ann:$2b$04$joNY5jLjfxG6C1VCIl8sG.WB56lajCMElAS5eGmP1s3NcDKCbkuMy\n"
"""The password's bcrypt hash, as `htpasswd -nbB` makes it."""


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    return local_registry.build(site)


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration of docker for the client under test."""
    directory = tmp_path / "docker"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    return directory


@pytest.fixture
def images(tmp_path: Path) -> list[Upload]:
    shared, own = os.urandom(300_000), os.urandom(1000)
    one, two = layouts.make(tmp_path / "l", [shared, own]), layouts.make(tmp_path / "l", [shared])
    store = Layout(tmp_path / "l")
    return [Upload("n/one", one.digest, store), Upload("n/two", two.digest, store)]


def free_port(address: str = "127.0.0.1") -> int:
    with socket.create_server((address, 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serving(
    lab: Lab, image: str, options: Sequence[str] = (), address: str = "127.0.0.1"
) -> Iterator[tuple[str, str]]:
    """Give a registry's host, and its container's name."""
    port = free_port(address)
    published = ["--publish", f"{address}:{port}:5000", "--read-only", *options]
    what = f"registry-{port}"
    with lab.container(image, what=what, options=published) as container:
        yield f"{address}:{port}", container.name


def client(host: str, settings: Settings | None = None) -> Registry:
    return Registry(host, settings or Settings(ca_bundle="none"), limits=PATIENT)


def test_images_are_pushed_once_and_tagged(lab: Lab, image: str, images: list[Upload]) -> None:
    with serving(lab, image, ["--tmpfs", "/var/lib/docker-registry:uid=1000"]) as (host, _):
        registry = client(host)
        sent = push.upload(registry, images)
        assert (sent.blobs, sent.mounted, sent.manifests) == (3, 2, 2)
        again = push.upload(registry, images)
        assert (again.blobs, again.bytes, again.mounted, again.requests) == (0, 0, 0, 2)
        assert push.set_tag(registry, "n/one", "t", images[0].manifest, immutable=True)
        assert registry.tags("n/one") == ("t",)
        assert registry.tags("n/none") == ()
        assert registry.resolve("n/one", "other") is None
        assert registry.resolve("n/none", "t") is None
        layer = push.parts(registry.manifest("n/one", "t"))[1]
        assert oci.digest_of(b"".join(registry.blob("n/one", layer))) == layer.digest
        assert registry.delete_manifest("n/one", images[0].manifest)
        assert registry.resolve("n/one", "t") is None


def test_right_wrong_and_missing_credentials(
    lab: Lab, image: str, images: list[Upload], tmp_path: Path, docker_config: Path
) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    options = [
        *("--volume", f"{tmp_path / 'htpasswd'}:/etc/htpasswd:ro"),
        *("--env", "REGISTRY_AUTH=htpasswd", "--env", "REGISTRY_AUTH_HTPASSWD_REALM=test"),
        *("--env", "REGISTRY_AUTH_HTPASSWD_PATH=/etc/htpasswd"),
        *("--tmpfs", "/var/lib/docker-registry:uid=1000"),
    ]
    with serving(lab, image, options) as (host, _):
        with pytest.raises(RegistryCredentialsError, match="has none for it") as missing:
            client(host).resolve("n/one", "t")
        assert f"docker login {host}" in missing.value.remedy
        log_in(docker_config, host, "wrong-77aa")
        with pytest.raises(RegistryCredentialsError, match="refuses") as wrong:
            push.upload(client(host), images)
        assert "wrong-77aa" not in f"{wrong.value.what}{wrong.value.remedy}{wrong.value.detail}"
        log_in(docker_config, host, PASSWORD)
        assert push.upload(client(host), images).blobs == 3


def test_a_private_authority_is_trusted_when_the_bundle_has_it(
    lab: Lab, image: str, images: list[Upload], tmp_path: Path
) -> None:
    certify(tmp_path, "127.0.0.2")
    options = [
        *("--volume", f"{tmp_path}:/tls:ro", "--tmpfs", "/var/lib/docker-registry:uid=1000"),
        *("--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/tls/server.pem"),
        *("--env", "REGISTRY_HTTP_TLS_KEY=/tls/server.key"),
    ]
    # Of this machine's addresses, only the usual one is asked without TLS.
    with serving(lab, image, options, "127.0.0.2") as (host, _):
        trusting = client(host, Settings(ca_bundle=str(tmp_path / "ca.pem")))
        assert push.upload(trusting, images).blobs == 3
        with pytest.raises(CertificateError, match=host) as raised:
            client(host).resolve("n/one", "t")
        assert "SPARKYARD_CA_BUNDLE" in raised.value.remedy


def test_a_full_disk_is_told(lab: Lab, image: str, images: list[Upload]) -> None:
    options = ["--tmpfs", "/var/lib/docker-registry:uid=1000,size=100k"]
    with (
        serving(lab, image, options) as (host, _),
        pytest.raises(RegistryRefusedError, match="500") as raised,
    ):
        push.upload(client(host), images)
    assert "storage is full" in raised.value.remedy


def test_a_read_only_registry_is_told(lab: Lab, image: str, images: list[Upload]) -> None:
    readonly = ["--env", "REGISTRY_STORAGE_MAINTENANCE_READONLY={enabled: true}"]
    with (
        serving(lab, image, readonly) as (host, _),
        pytest.raises(RegistryRefusedError, match="405") as raised,
    ):
        push.upload(client(host), images)
    assert "read-only" in raised.value.remedy


def test_a_registry_killed_in_the_middle_of_a_blob_gets_it_whole(lab: Lab, image: str) -> None:
    data = os.urandom(8 << 20)
    blob = Descriptor("application/octet-stream", oci.digest_of(data), len(data))
    killed: list[Completed] = []
    # Not a tmpfs, which the kill would empty; the volume goes with the container.
    options = ["--volume", "/var/lib/docker-registry"]
    with serving(lab, image, options) as (host, container):

        def kill(_: int) -> None:
            if not killed:
                killed.append(run(["docker", "restart", "--time", "0", container]))

        registry = client(host)
        registry.put_blob("n/one", blob, lambda: io.BytesIO(data), kill)
        assert killed
        assert b"".join(registry.blob("n/one", blob)) == data
        assert registry.sent.blobs == 1


def test_an_outage_is_not_absence(lab: Lab, image: str, images: list[Upload]) -> None:
    options = ["--tmpfs", "/var/lib/docker-registry:uid=1000"]
    with serving(lab, image, options) as (host, container):
        push.upload(client(host), images)
        run(["docker", "stop", "--time", "0", container])
        gone = Registry(host, Settings(), limits=Limits(retries=1, backoff=0.1))
        with pytest.raises(RegistryUnreachableError, match="could not be asked"):
            gone.resolve("n/one", images[0].manifest)


@pytest.mark.parametrize("times", [100, pytest.param(300, marks=pytest.mark.nightly)])
def test_blobs_that_another_stores_meanwhile_are_not_unknown(
    lab: Lab, image: str, times: int
) -> None:
    empty = Content(oci.EMPTY, oci.EMPTY_CONTENT)
    stored, over = threading.Event(), threading.Event()

    def store(registry: Registry) -> None:
        while not over.is_set():
            registry.put_blob("n/one", empty.descriptor, lambda: io.BytesIO(empty.data))
            stored.set()

    with serving(lab, image, ["--tmpfs", "/var/lib/docker-registry:uid=1000"]) as (host, _):
        others = [threading.Thread(target=store, args=(client(host),)) for _ in range(2)]
        for other in others:
            other.start()
        try:
            assert stored.wait(20)
            for number in range(times):  # of so many, some would be refused: one in twenty was
                manifest = oci.artifact("a/b", {"empty": empty}, {"number": str(number)})
                client(host).put_manifest("n/one", f"t{number}", manifest)
        finally:
            over.set()
            for other in others:
                other.join()
        assert len(client(host).tags("n/one")) == times


class TestOfThisMachine:
    @pytest.fixture
    def here(self, site: Site) -> Site:
        settings = replace(site.settings, registry="", local_registry_port=str(free_port()))
        return replace(site, settings=settings)

    @pytest.fixture
    def name(self, lab: Lab) -> Iterator[str]:
        name = lab.name("local")
        yield name
        local_registry.remove(name)

    def test_it_starts_once_and_keeps_what_it_holds(
        self, here: Site, name: str, images: list[Upload]
    ) -> None:
        host = local_registry.ensure(here, name)
        push.upload(client(host), images)
        before = engine.client("container", "inspect", "--format", "{{.Id}}", name).stdout
        assert local_registry.ensure(here, name) == host
        after = engine.client("container", "inspect", "--format", "{{.Id}}", name).stdout
        assert before == after
        assert local_registry.stop(name)
        assert not local_registry.state(here.settings, name).running
        local_registry.ensure(here, name)
        assert push.upload(client(host), images).blobs == 0
        assert local_registry.remove(name)
        assert not local_registry.remove(name)

    def test_it_has_no_more_rights_than_it_needs(self, here: Site, name: str) -> None:
        local_registry.ensure(here, name)
        shown = json.loads(engine.client("container", "inspect", name).stdout)[0]
        assert shown["Config"]["User"] == "1000"
        assert shown["HostConfig"]["ReadonlyRootfs"] is True
        bound = shown["HostConfig"]["PortBindings"]["5000/tcp"]
        assert [each["HostIp"] for each in bound] == ["127.0.0.1"]

    def test_a_taken_port_is_told(self, here: Site, name: str) -> None:
        port = int(here.settings.local_registry_port)
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(SettingsError, match=f"port {port}") as raised,
        ):
            local_registry.ensure(here, name)
        assert "SPARKYARD_LOCAL_REGISTRY_PORT" in raised.value.remedy
        assert not local_registry.stop(name)


def log_in(directory: Path, host: str, password: str) -> None:
    pair = base64.b64encode(f"ann:{password}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": pair}}}))


def certify(directory: Path, address: str) -> None:
    """Write ca.pem, and server.pem with server.key for an address."""
    now = datetime.datetime.now(datetime.UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    own = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A private authority")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])

    def certificate(key: ec.EllipticCurvePrivateKey, name: x509.Name) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    root = certificate(authority, issuer).add_extension(x509.BasicConstraints(True, None), True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    leaf = certificate(own, subject).add_extension(names, False)
    for name, built in (("ca.pem", root), ("server.pem", leaf)):
        signed = built.sign(authority, hashes.SHA256())
        (directory / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (directory / "server.key").write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    directory.chmod(0o755)
