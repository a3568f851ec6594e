"""A question as the body of a _search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from scalelab.errors import UsageError
from scalelab.search import collection, elastic_query
from scalelab.search.question import SCORE, Field, Question, Sort

_DOCS = collection.make(
    "docs",
    {
        "name": "text",
        "name.keyword": "keyword",
        "doc": "text",
        "kind": "keyword",
        "made": "date",
    },
    {"title": "name", "fields": ["name^3", "doc"], "date": "made"},
)
_NAMES = ["name^3", "doc"]


def _query(words: str, **more: Any) -> Any:
    return elastic_query.query(Question(words, **more), _DOCS)


def _match(text: str, **more: str) -> dict[str, Any]:
    return {"multi_match": {"query": text, "fields": _NAMES, **more}}


def _all(text: str) -> dict[str, Any]:
    return _match(text, type="cross_fields", operator="and")


def test_all_words_must_be_there_though_not_in_one_field() -> None:
    assert _query("file lines") == _all("file lines")
    assert _query("file lines", any=True) == _match(
        "file lines", type="cross_fields", operator="or"
    )


def test_the_search_box_is_read() -> None:
    assert _query('"a b" c -d') == {
        "bool": {
            "must": [{"bool": {"must": [_all("c"), _match("a b", type="phrase")]}}],
            "must_not": [_all("d")],
        }
    }
    assert _query("a or b") == {"bool": {"should": [_all("a"), _all("b")]}}
    assert _query("-a") == {"bool": {"must_not": [_all("a")]}}


def test_each_way() -> None:
    assert _query("a b", way="phrase") == _match("a b", type="phrase")
    fuzzy = {"type": "best_fields", "fuzziness": "AUTO", "zero_terms_query": "all"}
    assert _query("a b", way="fuzzy") == {"bool": {"must": [_match(w, **fuzzy) for w in "ab"]}}
    assert _query("a b", way="fuzzy", any=True) == {
        "bool": {"should": [_match(w, **fuzzy) for w in "ab"]}
    }
    begun = _match("c", type="bool_prefix")
    assert _query("c", way="prefix") == begun
    assert _query("a b c", way="prefix") == {"bool": {"must": [_all("a b"), begun]}}


def test_filters_do_not_score() -> None:
    made = _query(
        "a",
        filters={"kind": ("x", "y"), "name": ("z",)},
        since=datetime(2024, 1, 1, tzinfo=UTC),
        until=datetime(2025, 1, 1, tzinfo=UTC),
    )
    dates = {"gte": "2024-01-01T00:00:00+00:00", "lt": "2025-01-01T00:00:00+00:00"}
    assert made == {
        "bool": {
            "must": [_all("a")],
            "filter": [
                {"terms": {"kind": ["x", "y"]}},
                {"terms": {"name.keyword": ["z"]}},
                {"range": {"made": dates}},
            ],
        }
    }


def test_a_body_with_everything() -> None:
    asked = Question(
        "a",
        fields=(Field("doc"),),
        sort=(Sort("made", True), Sort(SCORE, True)),
        facets=("kind", "made"),
        size=20,
        page=3,
        explain=True,
        profile=True,
    )
    made = elastic_query.body(asked, _DOCS)
    assert (made["size"], made["from"]) == (20, 40)
    assert made["query"]["multi_match"]["fields"] == ["doc"]
    assert made["sort"] == [
        {"made": {"order": "desc", "missing": "_last"}},
        {SCORE: {"order": "desc"}},
    ]
    assert made["track_scores"]
    assert made["track_total_hits"]
    assert made["explain"]
    assert made["profile"]
    assert made["highlight"]["fields"] == {"doc": {}}
    assert made["aggs"]["kind"] == {"terms": {"field": "kind", "size": 10}}
    assert made["aggs"]["made"]["date_histogram"]["calendar_interval"] == "year"


def test_a_question_without_words_is_for_everything() -> None:
    made = elastic_query.body(Question("", facets=("kind",)), _DOCS)
    assert made["query"] == {"match_all": {}}
    assert "highlight" not in made


@pytest.mark.parametrize(
    ("size", "page", "start"), [(10, 1, None), (10, 1000, 9990), (10, 1001, None)]
)
def test_from_goes_no_deeper_than_it_may(size: int, page: int, start: int | None) -> None:
    made = elastic_query.body(Question("a", size=size, page=page), _DOCS)
    assert made.get("from") == start


def test_a_text_cannot_be_counted() -> None:
    with pytest.raises(UsageError, match="doc of docs is text"):
        elastic_query.body(Question("a", facets=("doc",)), _DOCS)
