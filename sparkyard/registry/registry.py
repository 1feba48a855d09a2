"""What does a registry hold, and how is something put into it? The OCI distribution protocol 1.1.

"It says that it has none" and "it could not be asked" are never the same answer: only a registry's
own 404 counts as absent. All methods may be used by several threads at once.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import IO
from urllib.parse import urlencode, urlsplit

from sparkyard.errors import HashMismatchError, RegistryAbsentError
from sparkyard.registry import oci
from sparkyard.registry.auth import DELETE, PULL, PUSH, Scope
from sparkyard.registry.http import Answer, Body, Limits, Pace, Unanswered
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.retry import AGAIN, codes
from sparkyard.registry.session import OURS, REDIRECTS, Session
from sparkyard.settings import Settings

_NEXT = re.compile(r"<([^>]*)>\s*;\s*rel=\"?next\"?")
_ACCEPT = {"Accept": ", ".join(oci.MANIFEST_TYPES)}
_DAMAGED = "The registry's storage is damaged, or something on the way changes it."


_UNTIL_WRITTEN = (0.2, 1.0)
"""Seconds before a registry is asked anew about what another may be storing: docker-registry writes
in place. A manifest is read in part meanwhile, and a blob is unknown."""


@dataclass(frozen=True)
class Sent:
    """What a registry was sent: `bytes` of blobs, those of failed tries too.

    `there` blobs it had already, in the repository where they were wanted.
    """

    blobs: int = 0
    bytes: int = 0
    mounted: int = 0
    mounted_bytes: int = 0
    there: int = 0
    there_bytes: int = 0
    manifests: int = 0
    requests: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __sub__(self, other: Sent) -> Sent:
        return Sent(**{name: value - getattr(other, name) for name, value in vars(self).items()})


class Registry:
    """A registry at a host, asked with the credentials of docker's configuration."""

    def __init__(
        self, host: str, settings: Settings, *, retries: int = 5, limits: Limits | None = None
    ) -> None:
        """Prepare to ask; nothing is asked yet.

        Raises:
            ReferenceFormatError: the host is none.
        """
        self.host = host
        self._limits = limits or Limits(retries=retries)
        self._session = Session(host, settings, self._limits, lambda: self.count(Sent(requests=1)))
        self._lock = threading.Lock()
        self._sent = Sent()

    @property
    def sent(self) -> Sent:
        """What was sent until now."""
        return self._sent

    def count(self, more: Sent) -> None:
        """Add to what was sent."""
        with self._lock:
            self._sent = self._sent + more

    def close(self) -> None:
        """End all connections; asking again opens new ones."""
        self._session.connections.close()

    def ping(self) -> None:
        """Return when a registry answers there, and lets us in as far as that can be told yet.

        Raises:
            RegistryUnreachableError: it could not be asked, or it is no registry.
            RegistryCredentialsError: it refuses the credentials, or wants some.
            CertificateError: the CA bundle does not vouch for it.
        """
        self._session.ping()

    def resolve(self, repository: str, reference: str) -> Descriptor | None:
        """Return what a tag or a digest names, None where the registry says that it has none.

        Raises:
            RegistryUnreachableError, RegistryCredentialsError, CertificateError: it could not be
                asked.
        """
        path = f"{repository}/manifests/{reference}"
        answer = self._session.ask("HEAD", path, Scope(repository), _ACCEPT)
        digest = answer.headers.get("Docker-Content-Digest", "")
        size = answer.headers.get("Content-Length", "")
        if answer.status == 200 and oci.is_digest(digest) and size.isdigit():
            self._same(repository, reference, digest)
            return Descriptor(_media_type(answer), digest, int(size))
        # Only the body, which HEAD has none of, tells who says 404; some tell the digest by GET.
        self._session.expect(
            answer, (200, 404, 405), _named(self.host, repository, reference), reading=True
        )
        content = self._manifest(repository, reference)
        return content.descriptor if content else None

    def manifest(self, repository: str, reference: str) -> Content:
        """Return a manifest or an index, its bytes checked.

        Raises:
            RegistryAbsentError: the registry says that it has none.
            HashMismatchError: it is not what the digest names.
            RegistryUnreachableError, RegistryCredentialsError, CertificateError: see `resolve`.
        """
        content = self._manifest(repository, reference)
        if content is None:
            raise RegistryAbsentError(
                f"{_named(self.host, repository, reference)} does not exist: the registry was "
                "asked, and has none.",
                "Check the name and the tag; `nox -s push` and `nox -s release` put images there.",
            )
        return content

    def tags(self, repository: str) -> tuple[str, ...]:
        """Return the tags of a repository, none where it does not exist. Raises as `resolve`."""
        tags: list[str] = []
        url = self._session.url(f"{repository}/tags/list?n=1000")
        while url:
            answer = self._session.ask("GET", url, Scope(repository))
            if self._session.absent(answer):
                return ()
            self._session.expect(answer, (200,), f"the tags of {repository}", reading=True)
            try:
                tags += json.loads(answer.data).get("tags") or []
            except (ValueError, AttributeError):
                raise self._session.gibberish(f"the tags of {repository}") from None
            more = _NEXT.search(answer.headers.get("Link", ""))
            url = self._session.resolved(url, more.group(1)) if more else ""
        return tuple(tags)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Tell whether a repository holds a blob. Raises as `resolve`."""
        path = f"{repository}/blobs/{digest}"
        answer = self._session.ask("HEAD", path, Scope(repository))
        if answer.status == 404 and OURS not in answer.headers:
            # Only the body, which HEAD has none of, tells who says so.
            answer = self._session.ask("GET", path, Scope(repository), {"Range": "bytes=0-0"})
        if self._session.absent(answer):
            return False
        if answer.status in REDIRECTS and OURS in answer.headers:
            return True  # to where the bytes are kept, which is asked only by who wants them
        self._session.expect(answer, (200, 206), f"{repository}@{digest}", reading=True)
        return True

    def put_manifest(self, repository: str, reference: str, content: Content) -> None:
        """Store a manifest or an index under a tag or under its digest.

        Raises:
            RegistryRefusedError: the registry does not take it; see `resolve` for the others.
        """
        path, kind = f"{repository}/manifests/{reference}", {"Content-Type": content.media_type}
        for pause in (0.0, *_UNTIL_WRITTEN):
            time.sleep(pause)
            answer = self._session.ask("PUT", path, Scope(repository, PUSH), kind, content.data)
            if "MANIFEST_BLOB_UNKNOWN" not in codes(answer):
                break
        self._session.expect(answer, (200, 201, 202), _named(self.host, repository, reference))
        self.count(Sent(manifests=1))

    def put_blob(
        self,
        repository: str,
        descriptor: Descriptor,
        open_: Callable[[], IO[bytes]],
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send a blob; after a failed try it is looked for, and then sent whole again.

        Args:
            repository: where it goes.
            descriptor: what it is, and its size.
            open_: opens its content, once for each try.
            tell: hears of bytes that go out; of a negative number when they go out again.

        Raises:
            RegistryRefusedError: the registry does not take it; see `resolve` for the others.
            HashMismatchError: what `open_` gives is not the blob.
        """
        what = f"{self.host}/{repository}@{descriptor.digest}"
        patience = self._session.patience(f"to store {what}")
        while True:
            out = _Counter(self, tell)
            answer: Answer | None = None
            try:
                answer = self._send(repository, descriptor, open_, out.add)
            except Unanswered as error:
                if not error.again:
                    raise patience.lost(str(error)) from error
                why = str(error)
            else:
                if answer.status == 201:
                    self.count(Sent(blobs=1))
                    return
                why = f"HTTP {answer.status}"
                if not patience.may(answer, upload=True):
                    self._session.expect(answer, (201,), what)
            tell(-out.bytes)
            patience.again(why, answer)
            if self.has_blob(repository, descriptor.digest):
                return

    def mount_blob(self, repository: str, digest: str, from_repository: str) -> bool:
        """Let a repository have a blob of another one; False when the registry does not do that.

        Raises: as `put_manifest`.
        """
        scope = Scope(repository, PUSH, from_repository)
        query = urlencode({"mount": digest, "from": from_repository})
        answer = self._session.ask("POST", f"{repository}/blobs/uploads/?{query}", scope)
        if answer.status == 202:
            self._cancel(self._session.location(answer), scope)
            return False
        self._session.expect(answer, (201,), f"{self.host}/{repository}@{digest}")
        return True

    def blob(self, repository: str, descriptor: Descriptor) -> Iterator[bytes]:
        """Give the bytes of a blob; where they break off, the rest is asked for.

        Raises:
            HashMismatchError: they are not the blob; known when the last was given.
            RegistryAbsentError: the registry says that it has none; see `resolve` for the others.
        """
        what = f"{self.host}/{repository}@{descriptor.digest}"
        patience = self._session.patience(f"for {what}")
        whole, done = sha256(), 0
        while done < descriptor.size:
            try:
                for block in self._rest(repository, descriptor.digest, done):
                    whole.update(block)
                    done += len(block)
                    if done > descriptor.size:
                        break
                    yield block
                break
            except Unanswered as error:
                if not error.again:
                    raise patience.lost(str(error)) from error
                patience.again(str(error))
        if done != descriptor.size or f"sha256:{whole.hexdigest()}" != descriptor.digest:
            raise HashMismatchError(
                f"{what} came as another content, {done} bytes of {descriptor.size}.", _DAMAGED
            )

    def delete_manifest(self, repository: str, digest: str) -> bool:
        """Remove a manifest with its tags; False where the registry does not allow that.

        Raises: as `put_manifest`.
        """
        answer = self._session.ask(
            "DELETE", f"{repository}/manifests/{digest}", Scope(repository, f"{PULL},{DELETE}")
        )
        if answer.status in (400, 405) and "UNSUPPORTED" in codes(answer):
            return False
        if not self._session.absent(answer):
            self._session.expect(answer, (200, 202), f"{self.host}/{repository}@{digest}")
        return True

    def _send(
        self,
        repository: str,
        descriptor: Descriptor,
        open_: Callable[[], IO[bytes]],
        told: Callable[[int], None],
    ) -> Answer:
        """Return the answer to a blob, sent in one try. Raises Unanswered beside the others."""
        scope = Scope(repository, PUSH)
        begun = self._session.ask("POST", f"{repository}/blobs/uploads/", scope)
        self._session.expect(begun, (202,), f"{self.host}/{repository}@{descriptor.digest}")
        place = self._session.location(begun)
        joint = "&" if urlsplit(place).query else "?"
        url = f"{place}{joint}{urlencode({'digest': descriptor.digest})}"
        for renewed in (False, True):
            headers = {
                **self._session.authorization(place, scope),
                "Content-Type": "application/octet-stream",
                "Content-Length": str(descriptor.size),
            }
            with open_() as stream:
                body = Body(descriptor, stream, Pace(self._limits), told)
                answer = self._session.once("PUT", url, headers, body)
            if answer.status not in (401, 403):
                return answer
            # A token that ended just now is no reason to begin another upload.
            if renewed or answer.status == 403:
                break
            told(-body.done)
            self._session.renew(answer, scope)
        raise self._session.denied(answer, scope)

    def _cancel(self, place: str, scope: Scope) -> None:
        """End an upload that nobody wants; a registry does it by itself after days."""
        with contextlib.suppress(Unanswered):
            self._session.once("DELETE", place, self._session.authorization(place, scope))

    def _rest(self, repository: str, digest: str, done: int) -> Iterator[bytes]:
        """Give the bytes of a blob from the offset `done` on, in one try."""
        what = f"{self.host}/{repository}@{digest}"
        scope = Scope(repository)
        headers = {"Range": f"bytes={done}-"} if done else {}
        received = self._session.connections.received
        for renewed in (False, True):
            response = self._session.open(f"{repository}/blobs/{digest}", scope, headers)
            if response.status in (200, 206):
                break
            answer = Answer(
                response.status, response.headers, b"".join(received(response, 1 << 20))
            )
            if answer.status == 401 and not renewed:
                self._session.renew(answer, scope)
                continue
            if answer.status in (401, 403):
                raise self._session.denied(answer, scope)
            if answer.status in AGAIN:
                raise Unanswered(f"HTTP {answer.status}")
            if self._session.absent(answer):
                raise RegistryAbsentError(
                    f"{what} does not exist: the registry was asked, and has none.",
                    "Push the image again.",
                )
            self._session.expect(answer, (200,), what, reading=True)
        skip = done if response.status == 200 else 0
        for block in received(response):
            if skip < len(block):
                yield block[skip:]
            skip = max(skip - len(block), 0)
        response.release_conn()

    def _manifest(self, repository: str, reference: str) -> Content | None:
        for pause in _UNTIL_WRITTEN:
            try:
                return self._read_manifest(repository, reference)
            except HashMismatchError:
                time.sleep(pause)
        return self._read_manifest(repository, reference)

    def _read_manifest(self, repository: str, reference: str) -> Content | None:
        path = f"{repository}/manifests/{reference}"
        answer = self._session.ask("GET", path, Scope(repository), _ACCEPT)
        if self._session.absent(answer):
            return None
        what = _named(self.host, repository, reference)
        self._session.expect(answer, (200,), what, reading=True)
        content = Content(_media_type(answer), answer.data)
        self._same(repository, reference, content.digest)
        told = answer.headers.get("Docker-Content-Digest", content.digest)
        if told != content.digest:
            raise HashMismatchError(
                f"{what} came as {content.digest}; the registry calls it {told}.", _DAMAGED
            )
        return content

    def _same(self, repository: str, reference: str, digest: str) -> None:
        if oci.is_digest(reference) and reference != digest:
            raise HashMismatchError(
                f"{self.host}/{repository}@{reference} came as {digest}.", _DAMAGED
            )


class _Counter:
    """The bytes that went out in one try."""

    def __init__(self, registry: Registry, tell: Callable[[int], None]) -> None:
        self.bytes = 0
        self._registry = registry
        self._tell = tell

    def add(self, more: int) -> None:
        self.bytes += more
        self._registry.count(Sent(bytes=max(more, 0)))
        self._tell(more)


def _media_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip()


def _named(host: str, repository: str, reference: str) -> str:
    joint = "@" if oci.is_digest(reference) else ":"
    return f"{host}/{repository}{joint}{reference}"
