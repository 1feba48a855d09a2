"""Are namespaces of earlier runs found by their label and deleted, each of them that can be?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sparkyard.commands import tests as command
from sparkyard.kubernetes import cluster, leftovers
from sparkyard.kubernetes.cluster import Cluster
from sparkyard.kubernetes.leftovers import MACHINE, machine

NAMESPACES = "/api/v1/namespaces"


class ApiServer(BaseHTTPRequestHandler):
    """Namespaces by their names and labels; one that is `kept` is not for us to delete."""

    server: Remembering

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer whether it is there, and which namespaces have a label."""
        url = urlsplit(self.path)
        if url.path != NAMESPACES:
            return self._say(200, {"resources": []})
        parts = parse_qs(url.query)["labelSelector"][0].split(",")
        asked = [(name, value) for name, _, value in (part.partition("=") for part in parts)]
        found = [
            {"metadata": {"name": each, **({"deletionTimestamp": "now"} if going else {})}}
            for each, (labels, going) in self.server.namespaces.items()
            if all(name in labels and value in ("", labels[name]) for name, value in asked)
        ]
        return self._say(200, {"items": found})

    def do_DELETE(self) -> None:
        """Delete a namespace, or the pods of one."""
        name, _, below = urlsplit(self.path).path.removeprefix(f"{NAMESPACES}/").partition("/")
        if below:
            self.server.without_pods.append(name)
        elif name == "kept":
            return self._say(403, {"message": 'namespaces "kept" is forbidden'})
        else:
            self.server.deleted.append(name)
        return self._say(200, {})

    def _say(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Remembering(ThreadingHTTPServer):
    """An API server's address and memory: labels of each namespace, and whether it is going."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ApiServer)
        self.namespaces: dict[str, tuple[dict[str, str], bool]] = {}
        self.deleted: list[str] = []
        self.without_pods: list[str] = []


@pytest.fixture
def server() -> Iterator[Remembering]:
    made = Remembering()
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def kubeconfig(directory: Path, port: int) -> str:
    """Write a kubeconfig for a server on the loopback, and return its name."""
    file = directory / "kubeconfig"
    address = f"http://127.0.0.1:{port}"
    document = {
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    file.write_text(json.dumps(document))
    return str(file)


def reached(directory: Path, server: Remembering) -> Cluster:
    named = kubeconfig(directory, server.server_address[1])
    return cluster.connect(environment={"KUBECONFIG": named})


@pytest.fixture
def nothing_in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "left_over", dict)


@pytest.mark.usefixtures("nothing_in_the_engine")
def test_a_sweep_deletes_the_namespaces_that_tests_have_left(
    server: Remembering,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = {MACHINE: machine()}
    server.namespaces = {
        "spark": (here, False),
        "of-a-run": ({command.LABEL: "1", **here}, False),
        "of-another": ({command.LABEL: "2", **here}, False),
        "going": ({command.LABEL: "1", **here}, True),
        "of-somebody-else": ({command.LABEL: "1", MACHINE: "another"}, False),
    }
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server.server_address[1]))
    assert command.main(["--sweep"]) == 0
    assert server.deleted == server.without_pods == ["of-a-run", "of-another"]
    assert capsys.readouterr() == (
        "removed namespace of-a-run\nremoved namespace of-another\n",
        "",
    )


@pytest.mark.usefixtures("nothing_in_the_engine")
@pytest.mark.parametrize("named", ["", "/nowhere/kubeconfig", "nobody listens"])
def test_a_sweep_says_nothing_of_a_cluster_that_is_not_there(
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, 1) if " " in named else named)
    assert command.main(["--sweep"]) == 0
    assert capsys.readouterr() == ("nothing was left\n", "")


def test_a_sweep_leaves_the_cluster_alone_that_nobody_named(
    server: Remembering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {command.LABEL: "1", MACHINE: machine()}
    server.namespaces = {"of-a-run": (labels, False)}
    (tmp_path / ".kube").mkdir()
    Path(kubeconfig(tmp_path, server.server_address[1])).rename(tmp_path / ".kube" / "config")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert leftovers.sweep(command.LABEL) == []
    assert server.deleted == []


def test_a_namespace_that_may_not_be_deleted_does_not_keep_the_next_ones(
    server: Remembering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("first", "kept", "last")
    server.namespaces = {name: ({"bench": "here"}, False) for name in names}
    server.namespaces["of-another-machine"] = ({"bench": "there"}, False)
    taken = leftovers.take_away(reached(tmp_path, server), "bench=here")
    assert taken == server.deleted == ["first", "last"]
    said = capsys.readouterr().err
    assert "the namespace kept is left" in said
    assert "kubectl delete namespace kept" in said


def test_a_cluster_that_goes_away_says_how_to_look_again(
    server: Remembering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = reached(tmp_path, server)
    server.shutdown()
    server.server_close()
    assert leftovers.take_away(asked, "bench=here") == []
    assert "kubectl delete namespace -l bench=here" in capsys.readouterr().err
