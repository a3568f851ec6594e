"""Posts, whatever their author's fields are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scalelab.corpora import posts
from tests.unit.corpora.reading import read, written


def test_a_post(tmp_path: Path) -> None:
    post = {"id": 5, "user": "ada", "text": "Hi #Py and #search", "created_at": "2024-05-01"}
    found = read(posts.CORPUS, written(tmp_path, json.dumps(post)))
    assert found.documents == {
        "5": {
            "user": "ada",
            "text": "Hi #Py and #search",
            "created_at": "2024-05-01T00:00:00+00:00",
            "tags": ["py", "search"],
        }
    }


def test_other_names_and_shapes(tmp_path: Path) -> None:
    post = {
        "full_text": "x",
        "user": {"screen_name": "ada", "name": "Ada"},
        "hashtags": [{"text": "One"}, {"text": "two"}],
        "likes": 3,
    }
    found = read(posts.CORPUS, written(tmp_path, json.dumps(post))).one()
    assert found == {"text": "x", "user": "ada", "tags": ["one", "two"]}


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00+00:00"),
        ("Wed Oct 10 20:19:24 +0000 2018", "2018-10-10T20:19:24+00:00"),
        ("Wed, 10 Oct 2018 20:19:24 +0200", "2018-10-10T20:19:24+02:00"),
        (1_700_000_000, "2023-11-14T22:13:20+00:00"),
        ("1700000000000", "2023-11-14T22:13:20+00:00"),
        ("yesterday", "yesterday"),
        (10**30, str(10**30)),
    ],
)
def test_dates(tmp_path: Path, given: object, read_as: str) -> None:
    post = json.dumps({"text": "x", "date": given})
    assert read(posts.CORPUS, written(tmp_path, post)).one()["created_at"] == read_as


def test_without_text(tmp_path: Path) -> None:
    lines = ['{"id": 1}', '{"id": 2, "text": "  "}', '{"id": 3, "text": 5}', '{"text": "x"}']
    found = read(posts.CORPUS, written(tmp_path, "\n".join(lines)))
    assert len(found.documents) == 1
    assert found.rejected == {f"line {n}": "a post without text" for n in (1, 2, 3)}
