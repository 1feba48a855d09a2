"""What is published as one release? Record, files and images, made ready and signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sparkyard.push.push import Upload
from sparkyard.registry import blobs
from sparkyard.registry.blobs import Blobs
from sparkyard.registry.oci import Content
from sparkyard.release import collect, recording, releases, render, signature
from sparkyard.release.candidates import Request
from sparkyard.release.collect import StackContents
from sparkyard.release.publish import Attached
from sparkyard.release.releasing import Ready
from sparkyard.release.signing_key import SigningKey


def make(request: Request, key: SigningKey, tell: Callable[[str], None]) -> Ready:
    """Look into the images of a release, and return all of it, signed.

    Args:
        request: what is released; its place is asked for the release before.
        key: signs it.
        tell: gets each line of progress.
    """
    candidates = (candidate for stack in request.stacks for candidate in stack.images)
    store = blobs.of_engine([candidate.step.reference for candidate in candidates])
    stacks = collect.collect(request, store, tell)
    released = request.place.versions()
    previous = request.place.fetch(released[-1]).record if released else None
    record = recording.write(request, stacks, previous.version if previous else "")
    documents = {
        name: document
        for stack in stacks
        for contents in stack.images
        for name, document in contents.documents.items()
    }
    files = {**render.files(record, previous), **documents}
    return signed(Ready(record, files, tuple(_uploads(request, stacks, store))), key)


def signed(ready: Ready, key: SigningKey) -> Ready:
    """Return the release with the signature over its files and images, and with cosign's."""
    stated = signature.statement(ready.record, ready.files)
    envelope = Content(signature.MEDIA_TYPE, signature.sign(stated, key))
    attached = []
    for image in ready.record.images:
        for digest in (image.digest, image.index):
            manifest, parts = signature.cosign_signature(image.repository, digest, key)
            path = image.repository.partition("/")[2]
            attached.append(Attached(path, signature.cosign_tag(digest), manifest, parts))
    files = {**ready.files, releases.SIGNATURE: envelope}
    return replace(ready, files=files, attached=tuple(attached))


def _uploads(request: Request, stacks: Sequence[StackContents], store: Blobs) -> Iterator[Upload]:
    for stack in stacks:
        for contents in stack.images:
            candidate = contents.candidate
            path = request.place.repository(candidate.image.name).path
            yield Upload(path, candidate.digest, store, contents.index)
