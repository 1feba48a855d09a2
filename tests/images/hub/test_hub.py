"""Is JupyterHub's hub there as it is locked, and none of what only notebooks and executors need?"""

from __future__ import annotations

from testinfra.host import Host

from sparkyard.plan.plan import Site
from sparkyard.sbom import sbom
from tests.images.packages import locked


def test_the_hub_is_the_locked_one(host: Host, site: Site, image: str) -> None:
    assert host.check_output("jupyterhub --version") == locked(site, image)["jupyterhub"]
    assert host.find_command("jupyterhub") == f"{site.project.prefix}/bin/jupyterhub"
    assert "--upgrade-db" in host.check_output("jupyterhub --help")


def test_there_is_neither_java_nor_spark(host: Host) -> None:
    for command in ("java", "spark-submit", "jupyter-lab"):
        assert not host.exists(command), command
    for path in ("/opt/java", "/opt/spark", "/opt/venv", "/usr/lib/jvm", "/etc/spark"):
        assert not host.file(path).exists, path


def test_every_file_has_an_owner_in_the_sbom(image_reference: str) -> None:
    assert sbom.of_image(image_reference, "2026-01-31T12:00:00Z").coverage.unaccounted == ()
