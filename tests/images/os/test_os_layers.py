"""Do the layers hold what no image should: caches, setuid files, secrets of this site?"""

from __future__ import annotations

from testinfra.host import Host

from sparkyard.command import run
from sparkyard.plan.plan import Site
from sparkyard.settings import ca_bundle
from tests.images import layers as module
from tests.images.layers import Layers
from tests.support import Container


def test_no_layer_has_a_package_cache(layers: Layers, image_reference: str) -> None:
    assert [path for layer in layers.of(image_reference) for path in layer.forbidden] == []


def test_no_layer_has_a_secret_of_this_site(layers: Layers, image_reference: str) -> None:
    assert [found for layer in layers.of(image_reference) for found in layer.secrets] == []


def test_setuid_files_are_those_of_debian(layers: Layers, image_reference: str) -> None:
    debian, *above = layers.of(image_reference)
    assert debian.setuid, "the scan saw not even those of Debian"
    assert sorted(path for layer in above for path in layer.setuid - debian.setuid) == []


def test_every_layer_was_looked_through(layers: Layers, image_reference: str) -> None:
    described = run(
        ["docker", "image", "inspect", "--format", "{{len .RootFS.Layers}}", image_reference]
    )
    assert len(layers.of(image_reference)) == int(described.stdout)


def test_history_and_configuration_name_no_mirror_and_no_bundle(
    site: Site, image_reference: str
) -> None:
    history = ["docker", "history", "--no-trunc", "--format", "{{json .}}", image_reference]
    said = run(history).stdout + run(["docker", "image", "inspect", image_reference]).stdout
    hosts = [host.decode() for host in module.mirrors(site.settings)]
    bundle = str(ca_bundle(site.settings) or "")
    # The bundle's usual place in Debian is one in the image, too: Dockerfiles may speak of it.
    own = bundle if bundle != "/etc/ssl/certs/ca-certificates.crt" else ""
    assert [word for word in (*hosts, own) if word and word in said] == []


def test_no_cache_is_left_where_a_user_looks(host: Host, root_host: Host) -> None:
    assert root_host.run("find /root/.cache /home/jovyan/.cache -type f").stdout == ""
    assert host.run("ls -A /var/lib/apt/lists /var/cache/apt/archives").stdout.split() in (
        ["/var/cache/apt/archives:", "/var/lib/apt/lists:"],
        ["/var/cache/apt/archives:", "lock", "partial", "/var/lib/apt/lists:", "lock", "partial"],
    )


def test_uv_is_in_no_image(container: Container) -> None:
    found = container.exec("sh", "-c", "command -v uv", check=False)
    assert found.exit_code != 0, found.stdout
