"""Is what a layer may touch read right, and nothing claimed in doubt?"""

from __future__ import annotations

import pytest

from sparkyard.facts.layers import (
    Layer,
    LayerComparison,
    _places,
    assign,
    compressed_size_of,
    destinations,
    size_of,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY /opt/venv /opt/venv # buildkit", ("/opt/venv",)),
        ("COPY --chown=1000:100 a b /srv/ # buildkit", ("/srv",)),
        ("ADD base.tar / # buildkit", ("/",)),
        ("COPY conf conf # buildkit", ("/home/x/conf",)),
        ("WORKDIR /work", ("/work",)),
        ("/bin/sh -c #(nop) COPY dir:abc in /opt/app ", ("/opt/app",)),
        ("RUN /bin/sh -c true # buildkit", None),
        ('COPY ["a b", "/c d"] # buildkit', None),
        ("COPY a $HOME/b # buildkit", None),
        ("", None),
        ("imported from elsewhere", None),
    ],
)
def test_destinations(line: str, expected: tuple[str, ...] | None) -> None:
    assert destinations(line, "/home/x") == expected


HISTORY = [
    {"created_by": "ADD base.tar / # buildkit", "size": 5},
    {"created_by": "ENV A=b", "size": 0},
    {"created_by": "WORKDIR /srv", "size": 0},
    {"created_by": "COPY a b # buildkit", "size": 7},
    {"created_by": "USER 1000", "size": 0},
]


def test_layers_take_their_history() -> None:
    layers = assign(HISTORY, ["1", "2", "3"])
    assert [layer.paths for layer in layers] == [("/",), ("/srv",), ("/srv/b",)]
    assert size_of(layers) == 12
    assert compressed_size_of(layers) is None


def test_an_exact_empty_layer_outranks_the_instruction() -> None:
    history = [{**entry, "empty_layer": index in (1, 2, 4)} for index, entry in enumerate(HISTORY)]
    assert [layer.paths for layer in assign(history, ["1", "2"])] == [("/",), ("/srv/b",)]


@pytest.mark.parametrize("diff_ids", [["1", "2"], ["1", "2", "3", "4"]])
def test_a_history_that_does_not_add_up_tells_nothing(diff_ids: list[str]) -> None:
    layers = assign(HISTORY, diff_ids)
    assert [layer.diff_id for layer in layers] == diff_ids
    assert {layer.paths for layer in layers} == {None}


def made(name: str, *paths: str) -> Layer:
    return Layer(name, "", 1, paths or None)


def test_order_counts() -> None:
    one, other = made("1", "/opt"), made("2", "/opt/venv")
    assert not LayerComparison((one, other), (other, one)).proves("/opt/venv")
    assert LayerComparison((one, other), (one, other)).proves("/opt/venv")


def test_a_layer_above_or_below_a_path_touches_it() -> None:
    assert made("1", "/opt").may_touch("/opt/venv")
    assert made("1", "/opt/venv/lib").may_touch("/opt/venv")
    assert not made("1", "/opt/venv2").may_touch("/opt/venv")
    assert made("1").may_touch("/anything")


def test_no_layer_at_all_proves_nothing() -> None:
    assert not LayerComparison((made("1", "/a"),), (made("1", "/a"),)).proves("/b")


def test_shared_and_own() -> None:
    comparison = LayerComparison((made("1"), made("2")), (made("1"), made("3")))
    assert [layer.diff_id for layer in comparison.shared] == ["1"]
    assert [layer.diff_id for layer in comparison.only_driver] == ["2"]
    assert [layer.diff_id for layer in comparison.only_executors] == ["3"]


def test_a_whiteout_touches_what_it_hides() -> None:
    assert _places("opt/.wh.venv") == ("/opt/venv",)
    assert _places("opt/venv/.wh..wh..opq") == ("/opt/venv",)
    assert _places("./etc/passwd") == ("/etc/passwd",)
