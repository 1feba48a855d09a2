"""Does the notebook image start what a person or a hub asks for?"""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from sparkyard.family import capabilities
from sparkyard.plan.plan import Site
from tests.support import Container, Lab, must

KERNELS = {"notebook": "python3", "r": "ir", "datascience-notebook": "scala"}
"""The kernel that comes with a capability."""

ASK = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
    print(answer.status, answer.read().decode())
"""


def test_kernels_are_those_of_the_image(host: Host, site: Site, image: str) -> None:
    listed = json.loads(host.check_output("jupyter kernelspec list --json"))["kernelspecs"]
    has = capabilities.of(site.family, image)
    assert sorted(listed) == sorted(KERNELS[name] for name in has if name in KERNELS)


def test_the_image_starts_jupyterlab(lab: Lab, image_reference: str, image: str) -> None:
    with lab.container(image_reference, what=f"lab-{image}") as server:

        def ask(path: str) -> str:
            url = f"http://127.0.0.1:8888{path}"
            argv = ["python", "-c", ASK, url]
            return server.exec(*argv, check=False).stdout

        server.wait_for(lambda: ask("/api").startswith("200 "), "answer at /api")
        assert "version" in json.loads(ask("/api").removeprefix("200 "))
        assert ask("/api/contents") == "", "files are shown to anybody"
        token = json.loads(
            server.exec("sh", "-c", "jupyter server list --json").stdout.splitlines()[0]
        )["token"]
        assert token
        assert json.loads(ask(f"/api/contents?token={token}").removeprefix("200 "))["content"] == []
        assert "jupyterlab" in ask(f"/lab?token={token}").lower()


def test_a_hub_gets_its_single_user_server(
    lab: Lab, image_reference: str, container: Container
) -> None:
    by_hub = {"JUPYTERHUB_API_TOKEN": "x"}
    started = lab.once(image_reference, "start-notebook", "--version", environment=by_hub)
    # Without a hub it starts JupyterLab: see test_the_image_starts_jupyterlab.
    versions = (
        "from importlib.metadata import version as v; print(v('jupyterhub'), v('jupyterlab'))"
    )
    hub, alone = container.python(versions).split()
    assert must(started) == hub
    assert hub != alone


@pytest.mark.where_added
def test_a_home_that_cannot_be_written_ends_the_start_with_one_line(
    lab: Lab, image_reference: str
) -> None:
    of_root = ["--mount", "type=tmpfs,dst=/home/jovyan,tmpfs-mode=0755"]
    ended = lab.once(image_reference, options=of_root)
    assert ended.exit_code == 78
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert "/home/jovyan belongs to 0:0, and uid 1000 cannot write to it." in line


@pytest.mark.where_added
def test_a_home_that_is_lost_is_told(lab: Lab, image_reference: str) -> None:
    ask = ("start-notebook", "--version")
    lost = lab.once(image_reference, *ask, options=["--user", "54321:0"])
    must(lost)
    (line,) = lost.stderr.splitlines()
    assert "uid 54321 cannot write to /home/jovyan (1000:100): the home is /tmp/names." in line
    kept = ["--user", "54321:0", "--mount", "type=tmpfs,dst=/home/jovyan,tmpfs-mode=0777"]
    assert lab.once(image_reference, *ask, options=kept).stderr == ""


def test_notebook_7_is_there(container: Container) -> None:
    assert container.python("import notebook; print(notebook.version_info[0])") == "7"


def test_pip_is_the_environments_own(host: Host) -> None:
    assert "/opt/venv/lib/" in host.check_output("pip --version")
