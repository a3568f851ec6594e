"""JSON lines: each broken one is told by its number, and the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scalelab.corpora import jsonl
from tests.unit.corpora.reading import read, written


def test_a_dirty_file(tmp_path: Path) -> None:
    lines = [
        '{"id": 7, "a": "x"}',
        "",
        "{'id': 8}",
        "[1, 2]",
        '"text"',
        "{}",
        '{"id": 9, "a": NaN}',
        '{"id": 10, "a": "\\ud800"}',
        '{"id": 11, "a": 1e999}',
        "[" * 100_000,
        '{"id": 12, "b": {"c": [1, null]}}',
    ]
    found = read(jsonl.CORPUS, written(tmp_path, "\n".join(lines)))
    assert found.documents == {"7": {"id": 7, "a": "x"}, "12": {"id": 12, "b": {"c": [1, None]}}}
    assert list(found.rejected) == [f"line {n}" for n in (3, 4, 5, 6, 7, 8, 9, 10)]
    assert found.rejected["line 3"].startswith("no JSON: Expecting property name")
    assert found.rejected["line 4"] == "a JSON array, not an object"
    assert found.rejected["line 6"] == "an object without fields"
    assert "NaN" in found.rejected["line 7"]
    assert "surrogate" in found.rejected["line 8"]


@pytest.mark.parametrize(
    ("record", "id"),
    [
        ({"_id": "own", "id": 1}, "own"),
        ({"id": 1, "uuid": "x"}, "1"),
        ({"slug": "a-post"}, "a-post"),
        ({"id": " ", "key": "k"}, "k"),
    ],
)
def test_a_record_that_names_itself(record: dict[str, object], id: str) -> None:
    assert jsonl.own_id(record) == id


def test_without_a_name_the_content_is_it(tmp_path: Path) -> None:
    records = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "id": True}, {"a": 2, "id": 1.5}]
    found = read(jsonl.CORPUS, written(tmp_path, "\n".join(map(json.dumps, records))))
    assert len(found.documents) == 3, "the order of fields makes no other content"
    assert found == read(jsonl.CORPUS, tmp_path / "file")


def test_underscore_id_is_no_field(tmp_path: Path) -> None:
    found = read(jsonl.CORPUS, written(tmp_path, '{"_id": "x", "a": 1}'))
    assert found.documents == {"x": {"a": 1}}
