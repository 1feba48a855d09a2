"""Are references, descriptors and documents what the OCI specifications say?"""

from __future__ import annotations

import json

import pytest

from sparkyard.errors import ReferenceFormatError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("registry.example.com", False),
        ("registry.example.com:5000", False),
        ("team:5000", False),
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("localhost.example.com", False),
    ],
)
def test_only_this_machine_is_asked_without_tls(host: str, plain: bool) -> None:
    found = oci.repository(host, "team", "image")
    assert (str(found), found.plain_http) == (f"{host}/team/image", plain)


@pytest.mark.parametrize(
    "host", ["", "registry", "a/b.c", "https://a.b", "-a.b", "a.b:", "a.b:x", "a.b:123456", "a b.c"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ReferenceFormatError, match="no host name"):
        oci.repository(host, "image")


@pytest.mark.parametrize("path", ["Image", "a..b", "a//b", "-a", "a_", "a___b", "ä"])
def test_what_is_no_repository_is_refused(path: str) -> None:
    with pytest.raises(ReferenceFormatError, match="cannot"):
        oci.repository("a.b", path)


@pytest.mark.parametrize("tag", ["1.4.0", "a", "_x", "A-b_c.d", "x" * 128])
def test_a_tag_that_registries_take_is_returned(tag: str) -> None:
    assert oci.check_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a+b", "a:b", "a/b", "x" * 129, "a\n"])
def test_another_tag_is_refused(tag: str) -> None:
    with pytest.raises(ReferenceFormatError):
        oci.check_tag(tag)


def test_a_descriptor_survives_its_document() -> None:
    whole = Descriptor("t", DIGEST, 7, {"b": "1", "a": "2"}, {"os": "linux"})
    assert Descriptor.parse(whole.as_json()) == whole
    assert Descriptor.parse(Descriptor("t", DIGEST, 7).as_json()) == Descriptor("t", DIGEST, 7)


@pytest.mark.parametrize(
    "document", [{}, {"digest": DIGEST}, {"digest": "md5:1", "size": 1}, {"digest": "", "size": 1}]
)
def test_what_is_no_descriptor_is_refused(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Descriptor.parse(document)


def test_equal_documents_are_equal_bytes() -> None:
    assert (
        oci.canonical({"b": 1, "a": {"d": 2, "c": "ü"}}) == '{"a":{"c":"ü","d":2},"b":1}'.encode()
    )


def test_an_artifact_names_its_files() -> None:
    files = {"a.json": Content("application/json", b"{}"), "b.txt": Content("text/plain", b"b")}
    made = oci.artifact("application/x", files, {"k": "v"})
    document = made.document()
    assert (document["artifactType"], document["annotations"]) == ("application/x", {"k": "v"})
    assert document["config"]["digest"] == oci.digest_of(oci.EMPTY_CONTENT)
    titles = [each["annotations"]["org.opencontainers.image.title"] for each in document["layers"]]
    assert titles == ["a.json", "b.txt"]
    assert [each["digest"] for each in document["layers"]] == [c.digest for c in files.values()]


def test_an_index_around_an_image_leaves_it_as_it_is() -> None:
    image = Descriptor(oci.MANIFEST, DIGEST, 7)
    around = oci.index(image, {"v": "1"})
    assert json.loads(around.data)["manifests"] == [image.as_json()]
    assert around.media_type == oci.INDEX
    assert around.digest == oci.digest_of(around.data)


def test_a_password_in_a_registrys_name_is_not_told() -> None:
    with pytest.raises(ReferenceFormatError) as refusal:
        oci.repository("https://me:s3cret@registry.example.com", "a")
    assert "s3cret" not in refusal.value.what
