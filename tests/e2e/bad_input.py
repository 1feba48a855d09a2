"""What the tests of bad input share: a checkout with a tiny family, a mirror that can misbehave.

The tiny family has one image on the real base image. Its layers are made by the real Dockerfiles
from a wheel, a jar or a Debian package that exists nowhere else, so that a test's fetch is never
answered from a cache, and a failing build costs one step.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sparkyard import paths
from sparkyard.command import run
from sparkyard.family import projects
from sparkyard.fetch import store
from sparkyard.locks import apt_lock, dependencies
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.locks.jar_lock import LockedJar, render_lock
from sparkyard.locks.jars import declared

STACK = "spark-3.5"
JAR_PATH = "org/example/tiny/1.0/tiny-1.0.jar"
IMAGE = "tiny-executors"


@dataclass(frozen=True)
class Ended:
    """A command of Sparkyard that ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """The one message at the end of standard error: from "error:" on."""
        return self.stderr[self.stderr.rfind("\nerror: ") + 1 :]


def assert_clear(ended: Ended, exit_code: int, *parts: str) -> None:
    """Assert one message with what, where and "fix:", the exit code, and no traceback."""
    assert ended.exit_code == exit_code, ended.stderr[-4000:]
    assert "Traceback" not in ended.stderr + ended.stdout, ended.stderr[-4000:]
    assert ended.stderr.count("\nerror: ") == 1, ended.stderr[-4000:]
    lines = ended.message.splitlines()
    assert len(lines) == 2, ended.message
    assert lines[1].startswith("  fix: ")
    assert len(lines[1]) > len("  fix: ")
    for part in parts:
        assert part in ended.message, ended.message


@dataclass
class Yard:
    """A checkout of its own, with a namespace and a cache of its own."""

    root: Path
    namespace: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> Path:
        """The directory with what goes into the images."""
        return self.root / "package-dependencies" / STACK

    @property
    def log(self) -> str:
        """The log of the last build."""
        return (self.root / "build" / "build.log").read_text(errors="replace")

    def environment(self) -> dict[str, str]:
        """The variables that its commands run with."""
        # MAKEFLAGS would hand the options of a `make test` around these tests to the make in them.
        foreign = ("SPARKYARD_", "MAKE", "MFLAGS")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        own = {"SPARKYARD_NAMESPACE": self.namespace, "SPARKYARD_CACHE": str(self.root / "cache")}
        return {**kept, "CI": "true", **own, **self.settings}

    def argv(self, *words: str) -> list[str]:
        """The command line of a command of the package."""
        return [str(self.root / ".venv/bin/python"), "-m", "sparkyard", *words]

    def run(self, *words: str, **settings: str) -> Ended:
        """Run a command of the package and return how it ended."""
        return self.call(self.argv(*words), **settings)

    def call(self, argv: list[str], **settings: str) -> Ended:
        """Run any command in the checkout and return how it ended."""
        ended = subprocess.run(
            argv, cwd=self.root, env={**self.environment(), **settings}, text=True,
            errors="replace", stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
            check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a terminal's foreground job has it."""
        return subprocess.Popen(
            self.argv(*words), cwd=self.root, env=self.environment(), text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def tags(self) -> set[str]:
        """The images in the engine that are named for this checkout's namespace."""
        listed = run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).stdout
        return {name for name in listed.split() if name.startswith(f"{self.namespace}/")}

    def containers(self) -> str:
        """The containers, running or not, of this checkout's images."""
        listed = run(["docker", "ps", "--all", "--format", "{{.Image}} {{.Names}}"]).stdout
        return "\n".join(line for line in listed.splitlines() if self.namespace in line)

    def family(self, *takes: str, dockerfile: str = "", base: str = "") -> None:
        """Write the family: the base, and one image that takes the layers and is the executors.

        Args:
            takes: the shared layers of the image.
            dockerfile: lines that its Dockerfile has besides.
            base: a Dockerfile in place of the real environment's.
        """
        (self.root / "images/images.toml").write_text(
            f'default_stack = "{STACK}"\nnamespace = "unused"\n'
            '[contexts]\ncommon = "images/common"\n[images.os]\nsummary = "the system"\n'
            'project = "os"\n[images.environment]\nsummary = "the base"\n'
            f'[images.{IMAGE}]\nsummary = "tiny"\nsession = "executors"\n'
        )
        copies = "".join(f"COPY --link --from={layer} / /\n" for layer in takes)
        place = self.root / "images" / IMAGE
        place.mkdir(exist_ok=True)
        (place / "Dockerfile").write_text(f"FROM environment\n{copies}{dockerfile}")
        if base:
            (self.root / "images/environment/Dockerfile").write_text(base)

    def lock(
        self, requirements: str = "", jar: bytes | None = None, deb: LockedDeb | None = None
    ) -> None:
        """Declare and lock what the groups `tiny` hold: requirements, a jar, a Debian package."""
        shutil.rmtree(self.stack, ignore_errors=True)
        for name in ("requirements", "jars", "apt"):
            (self.stack / name).mkdir(parents=True)
        (self.stack / "pyproject.toml").write_text(
            '[tool.poetry.group.tiny.dependencies]\ntiny = "*"\n'
        )
        (self.stack / "poetry.lock").write_text("# tiny\n")
        (self.stack / "requirements/tiny.txt").write_text(requirements)
        for file in (paths.DEPENDENCIES / STACK / "apt").glob(f"{apt_lock.BASE}.*"):
            shutil.copy2(file, self.stack / "apt")
        if deb:
            (self.stack / "apt/tiny.txt").write_text(f"{deb.name}\n")
            self.lock_debian(deb)
        self.seal()
        (self.stack / "jars.toml").write_text("[groups]\n")
        if jar is not None:
            (self.stack / "jars.toml").write_text(
                '[groups.tiny]\ndependencies = [{ artifact = "org.example:tiny:1.0" }]\n'
            )
            group = declared(self.stack)[0]
            locked = LockedJar(hashlib.sha256(jar).hexdigest(), len(jar), JAR_PATH)
            text = render_lock(group.name, group.digest, [locked])
            (self.stack / "jars/tiny.lock").write_text(text)

    def lock_debian(self, deb: LockedDeb) -> None:
        """Write the lock of the Debian packages `tiny`."""
        before, paths.DEPENDENCIES = paths.DEPENDENCIES, self.stack.parent
        try:
            apt_lock.write(projects.load(STACK), "tiny", [deb], datetime(2026, 1, 2, tzinfo=UTC))
        finally:
            paths.DEPENDENCIES = before

    def seal(self) -> None:
        """Write the record by which lock and export belong to the declaration."""
        digests = dependencies._digests(self.stack)
        lines = "".join(f'"{name}" = "{digest}"\n' for name, digest in digests.items())
        (self.stack / "requirements/exported.toml").write_text(f"[sha256]\n{lines}")

    def remove_images(self) -> None:
        """Remove the images of the namespace from the engine."""
        if tags := self.tags():
            run(["docker", "image", "rm", "--force", *sorted(tags)], check=False)


def make_yard(root: Path) -> Yard:
    """Return a copy of this checkout, as it is now, with a tiny family of one bare image."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    kept = ("package-dependencies/os/", f"package-dependencies/{STACK}/", f"conf/stacks/{STACK}")
    for name in run(argv, cwd=paths.ROOT).stdout.split("\0"):
        source = paths.ROOT / name
        kept = (
            "package-dependencies/os/",
            f"package-dependencies/{STACK}/",
            f"conf/stacks/{STACK}",
        )
        other = name.startswith(("package-dependencies/", "conf/stacks/", "tests/", "docs/"))
        if name and source.is_file() and (not other or name.startswith(kept)):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (root / ".venv").symlink_to(Path(sys.executable).parent.parent)
    yard = Yard(root, f"badinput-{uuid.uuid4().hex[:10]}")
    (root / "cache").mkdir()
    # Debian itself is there already: making it again would cost what no test here is about. Links,
    # since what a test does to its own cache must not reach the real one.
    for name in ("base", store.NAME):
        if (paths.cache() / name).is_dir():
            shutil.copytree(paths.cache() / name, root / "cache" / name, copy_function=_link)
            (root / "conf/pins.toml").unlink(missing_ok=True)
    yard.lock()
    yard.family()
    return yard


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


def interrupt(process: subprocess.Popen[str]) -> Ended:
    """Send the signal that a terminal sends on Ctrl-C, to the whole group, and wait."""
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    return Ended(process.returncode, stdout, stderr)


def wait(process: subprocess.Popen[str]) -> Ended:
    """Wait for a started command."""
    stdout, stderr = process.communicate(timeout=180)
    return Ended(process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Wheel:
    """A package that exists nowhere else: its wheel and the line that locks it."""

    name: str
    file: str
    content: bytes

    @property
    def requirement(self) -> str:
        """The locked requirement."""
        digest = hashlib.sha256(self.content).hexdigest()
        return f"{self.name}==1.0 \\\n    --hash=sha256:{digest}\n"


def make_wheel() -> Wheel:
    """Return a wheel with a name that was never used before."""
    name = f"tiny{uuid.uuid4().hex[:10]}"
    files = {
        f"{name}.py": f"NAME = {name!r}\n" + "# filling\n" * 2000,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record += f"{path},sha256={digest.rstrip('=')},{len(text)}\n"
    files[f"{name}-1.0.dist-info/RECORD"] = record
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return Wheel(name, f"{name}-1.0-py3-none-any.whl", content.getvalue())


def make_deb(place: Path) -> tuple[LockedDeb, bytes]:
    """Make a Debian package "hello" in a version that no archive has; it holds one file."""
    version = f"0.{uuid.uuid4().int % 10**9}"
    tree = place / "deb"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: hello\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b.c>\n"
        "Description: a test\n"
    )
    (tree / "opt").mkdir()
    (tree / "opt/hello").write_text(version)
    file = place / "hello.deb"
    run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(file)])
    content = file.read_bytes()
    path = f"pool/main/h/hello/hello_{version}_all.deb"
    digest = hashlib.sha256(content).hexdigest()
    return LockedDeb("hello", version, "all", "trixie", len(content), digest, path), content


def make_jar() -> bytes:
    """Return a jar with a content that was never used before, large enough to be cut in two."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("tiny.txt", uuid.uuid4().hex * 4000)
    return content.getvalue()


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Mirror:
    """A local HTTP server that answers as told; anything else is 404.

    Where it has a `login`, it answers nobody else than that "user:password".
    """

    url: str
    login: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    otherwise: Answer | None = None
    stalled: list[socket.socket] = field(default_factory=list)

    def waited_for(self) -> bool:
        """Tell whether somebody still waits for the rest of what is stalled."""
        for connection in self.stalled:
            try:
                if connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return True
            except BlockingIOError:
                return True
            except OSError:
                continue
        return False

    def is_left(self, seconds: float = 10) -> bool:
        """Tell whether nobody waits any more: an engine ends a step soon after its client has."""
        deadline = time.monotonic() + seconds
        while self.waited_for():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def serve(
        self, path: str, content: bytes, *, cut: int | None = None, status: int = 200
    ) -> None:
        """Answer `path` with `content`, of which only `cut` bytes come where given."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            begin = 0
            wanted = handler.headers.get("Range", "")
            if wanted.startswith("bytes=") and wanted.endswith("-") and cut is None:
                begin = int(wanted[6:-1])
            handler.send_response(206 if begin else status)
            kind = "text/html" if path.endswith("/") else "application/octet-stream"
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(content) - begin))
            if begin:
                last = len(content) - 1
                handler.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
            handler.end_headers()
            if handler.command == "GET":
                handler.wfile.write(content[begin:cut])
            handler.close_connection = True

        self.answers[path] = answer

    def stall(self, path: str, content: bytes) -> tuple[threading.Event, threading.Event]:
        """Answer `path` with half of `content`, and with the rest once told to.

        Returns:
            The event that says that half was sent, and the one that lets the rest go.
        """
        half, go_on = threading.Event(), threading.Event()

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2])
            handler.wfile.flush()
            self.stalled.append(handler.connection)
            half.set()
            if go_on.wait(120):
                handler.wfile.write(content[len(content) // 2 :])
            handler.close_connection = True

        self.answers[path] = answer
        return half, go_on

    def serve_wheel(
        self, wheel: Wheel, content: bytes | None = None, cut: int | None = None
    ) -> None:
        """Serve the wheel as a package index does, or other content in its place."""
        link = f'<!DOCTYPE html><html><body><a href="/files/{wheel.file}">{wheel.file}</a></body>'
        self.serve(f"/simple/{wheel.name}/", f"{link}</html>".encode())
        self.serve(f"/files/{wheel.file}", content or wheel.content, cut=cut)


@contextmanager
def mirror(certificate: Path | None = None) -> Iterator[Mirror]:
    """Run a server that build containers reach: on the address of the engine's bridge."""
    served = Mirror("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.asked.append(self.path)
            answer = served.answers.get(self.path) or served.otherwise
            login = f"Basic {base64.b64encode(served.login.encode()).decode()}"
            try:
                if served.login and self.headers.get("Authorization") != login:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif answer:
                    answer(self)
                else:
                    self.send_error(404)
            except OSError:
                self.close_connection = True  # the build went away, which some tests want

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer((gateway(), 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"http{'s' if certificate else ''}://{gateway()}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def gateway() -> str:
    """Return the address of this machine on the engine's bridge."""
    form = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
    return run(["docker", "network", "inspect", "bridge", "--format", form]).stdout.split()[0]


def make_certificate(file: Path) -> Path:
    """Make a self-signed certificate for the bridge's address, its key beside it, with openssl."""
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=sparkyard test", "-addext", f"subjectAltName=IP:{gateway()}",
         "-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    )  # fmt: skip
    return file


def mirrors(url: str) -> Mapping[str, str]:
    """Return the settings under which everything is fetched below `url`."""
    return {
        "SPARKYARD_PYPI_INDEX": f"{url}/simple",
        "SPARKYARD_MAVEN_MIRROR": f"{url}/maven",
        "SPARKYARD_APT_MIRROR": f"{url}/debian",
        "SPARKYARD_APT_SECURITY_MIRROR": f"{url}/security",
        "SPARKYARD_APT_SNAPSHOT": f"{url}/snapshot",
    }
