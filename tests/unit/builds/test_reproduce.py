"""Are two builds of an image compared down to the file, and is a difference refused?"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from sparkyard.builds import reproduce
from sparkyard.builds.reproduce import Compared, Reproduced
from sparkyard.builds.reproduce_build import rename
from sparkyard.errors import NotReproducibleError
from sparkyard.facts.layer_difference import FileDifference

Files = dict[str, dict[str, Any]]


class Store:
    """A content store of blobs, as an engine keeps it."""

    def __init__(self, place: Path):
        self.place = place
        (place / "sha256").mkdir(parents=True)

    def add(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (self.place / "sha256" / digest).write_bytes(content)
        return f"sha256:{digest}"

    def image(self, *layers: Files, **configuration: Any) -> str:
        digests = []
        for files in layers:
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as written:
                for name, about in files.items():
                    member = tarfile.TarInfo(name)
                    content = about.pop("content", b"x")
                    member.size = len(content)
                    for key, value in about.items():
                        setattr(member, key, value)
                    written.addfile(member, io.BytesIO(content))
            digests.append(self.add(zstd.compress(archive.getvalue())))
        history: list[dict[str, Any]] = [{"created_by": "ENV A=b", "empty_layer": True}]
        history += [{"created_by": f"COPY number {n}"} for n in range(len(layers))]
        config = {"history": history, "rootfs": {"diff_ids": digests}, **configuration}
        manifest = {
            "config": {"digest": self.add(json.dumps(config).encode())},
            "layers": [{"digest": digest} for digest in digests],
        }
        return self.add(json.dumps(manifest).encode())


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    return Store(tmp_path / "first"), Store(tmp_path / "second")


def compared(stores: tuple[Store, Store], *digests: str) -> Compared:
    return reproduce.compare(
        "notebook", (digests[0], digests[1]), (stores[0].place, stores[1].place)
    )


def test_the_same_image_is_the_same(stores: tuple[Store, Store]) -> None:
    one, other = (store.image({"etc/a": {}}) for store in stores)
    found = compared(stores, one, other)
    assert found.same
    reproduce.check(Reproduced((found,), (1, 2)))


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"mtime": 5}, "mtime"),
        ({"mode": 0o600}, "mode"),
        ({"uid": 7}, "owner"),
        ({"content": b"y"}, "content"),
        ({"type": tarfile.SYMTYPE, "linkname": "x"}, "kind"),
    ],
)
def test_a_difference_is_named_by_layer_path_and_kind(
    stores: tuple[Store, Store], about: dict[str, Any], what: str
) -> None:
    one = stores[0].image({"etc/a": {}}, {"etc/b": {}, "etc/c": {}})
    other = stores[1].image({"etc/a": {}}, {"etc/b": {}, "etc/c": about})
    found = compared(stores, one, other)
    (layer,) = found.layers
    assert (layer.number, layer.created_by) == (2, "COPY number 1")
    (file,) = layer.files
    assert file.path == "/etc/c"
    assert what in file.what
    with pytest.raises(NotReproducibleError, match=r"1 of 1 images .* notebook") as refusal:
        reproduce.check(Reproduced((found,), (1, 2)))
    assert refusal.value.exit_code == 78
    assert f"/etc/c: {', '.join(file.what)}" in refusal.value.detail


def test_a_file_on_one_side_alone_is_named(stores: tuple[Store, Store]) -> None:
    found = compared(
        stores, stores[0].image({"a": {}, "b": {}}), stores[1].image({"a": {}, "c": {}})
    )
    assert found.layers[0].files == (
        FileDifference("/b", ("only in the first",)),
        FileDifference("/c", ("only in the second",)),
    )


def test_a_difference_of_order_alone_is_still_one(stores: tuple[Store, Store]) -> None:
    found = compared(
        stores, stores[0].image({"a": {}, "b": {}}), stores[1].image({"b": {}, "a": {}})
    )
    assert not found.same
    assert found.layers[0].files == ()
    assert "no file differs" in "\n".join(reproduce.described(found))


def test_configurations_are_compared_by_name(stores: tuple[Store, Store]) -> None:
    found = compared(
        stores,
        stores[0].image({"a": {}}, created="1", config={"Env": ["A=1"], "User": "1"}),
        stores[1].image({"a": {}}, created="2", config={"Env": ["A=2"], "User": "1"}),
    )
    assert found.layers == ()
    assert found.configuration == ("config.Env", "created")


def test_another_number_of_layers_is_told(stores: tuple[Store, Store]) -> None:
    one, other = stores[0].image({"a": {}}), stores[1].image({"a": {}}, {"b": {}})
    assert "the number of layers" in compared(stores, one, other).configuration


def test_many_files_are_cut_in_the_message_and_whole_in_the_document(
    stores: tuple[Store, Store],
) -> None:
    names = [f"f{number:02}" for number in range(30)]
    found = compared(
        stores,
        stores[0].image({name: {} for name in names}),
        stores[1].image({name: {"mtime": 1} for name in names}),
    )
    assert "and 18 more" in "\n".join(reproduce.described(found))
    document = json.loads(Reproduced((found,), (1, 2)).as_json())
    assert document["same"] is False
    assert len(document["images"][0]["layers"][0]["files"]) == 30


def test_digests_alone_decide_where_the_stores_cannot_be_read(stores: tuple[Store, Store]) -> None:
    found = reproduce.compare("notebook", ("sha256:1", "sha256:2"), (stores[0].place, None))
    assert (found.same, found.layers) == (False, ())


def test_no_everyday_name_is_given_to_what_is_compared() -> None:
    document: dict[str, Any] = {
        "target": {
            "notebook": {"tags": ["sparkyard/notebook:spark-3.5-1"], "args": {"E": "x:1"}},
            "python-one": {"args": {}},
        }
    }
    assert rename(document, "1") == {"notebook": "sparkyard-reproduce/notebook:1"}
    assert document["target"]["notebook"]["tags"] == ["sparkyard-reproduce/notebook:1"]
    assert document["target"]["notebook"]["args"] == {"E": "x:1"}
    assert "tags" not in document["target"]["python-one"]
