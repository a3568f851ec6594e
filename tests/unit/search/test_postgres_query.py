"""A question as a statement: what a user typed is never part of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.sql import Composed

from scalelab.search import collection, postgres_query
from scalelab.search.question import Field, Question, Sort, Way

_DOCS = collection.make(
    'do"cs',
    {"name": "text", "doc": "text", "kind": "keyword", "made": "date", "o.x": "long"},
    {"title": "name", "fields": ["name^3", "doc"], "date": "made"},
)
_EVIL = "Robert'); DROP TABLE students;-- \" %s {} \\"


def _text(made: Composed) -> str:
    return made.as_string(None)


def _where(words: str, **more: Any) -> str:
    return _text(postgres_query.where(Question(words, **more), _DOCS))


def test_each_way_is_a_query_of_its_own() -> None:
    config = "'english', "
    assert _where("a b") == f"words @@ websearch_to_tsquery({config}%(words)s)"
    assert _where("a b", way="phrase") == f"words @@ phraseto_tsquery({config}%(words)s)"
    assert _where("a b", way="prefix") == (
        f"words @@ (plainto_tsquery({config}%(word0)s) && to_tsquery({config}%(begun)s))"
    )
    assert _where("a b", way="fuzzy") == "(%(word0)s <%% whole AND %(word1)s <%% whole)"


def test_any_of_the_words_and_none_of_the_unwanted() -> None:
    made = _where('a "b c" -d or e', any=True).replace("'english', ", "")
    assert made == (
        "words @@ (((plainto_tsquery(%(term0)s) || phraseto_tsquery(%(term1)s)) "
        "&& !!plainto_tsquery(%(term2)s)) || ((plainto_tsquery(%(term3)s))))"
    )
    given = postgres_query.parameters(Question('a "b c" -d or e', any=True), _DOCS)
    assert [given[f"term{i}"] for i in range(4)] == ["a", "b c", "d", "e"]


@pytest.mark.parametrize("way", ["words", "phrase", "fuzzy", "prefix"])
@pytest.mark.parametrize("any", [False, True])
def test_what_was_typed_is_a_parameter(way: Way, any: bool) -> None:
    asked = Question(_EVIL, way=way, any=any, filters={"kind": (_EVIL,)})
    for made in (
        postgres_query.hits(asked, _DOCS),
        postgres_query.total(asked, _DOCS),
        postgres_query.facet("kind", asked, _DOCS),
    ):
        assert "Robert" not in _text(made)
        assert "students" not in _text(made)
    given = postgres_query.parameters(asked, _DOCS)
    assert given["words"] == _EVIL
    assert given["filter0"] == [_EVIL]


def test_a_beginning_is_one_quoted_word() -> None:
    given = postgres_query.parameters(Question("a it's\\", way="prefix"), _DOCS)
    assert given["begun"] == "'it''s\\\\':*"


def test_names_are_quoted() -> None:
    assert _text(postgres_query.table(_DOCS)) == '"corpus"."do""cs"'
    made = _where("", filters={"x'y": ("1",)})
    assert "'{x''y}'" in made


def test_filters_take_a_value_or_one_of_a_list() -> None:
    assert _where("", filters={"o.x": ("1", "2")}) == (
        "((source #> '{o,x}') ?| %(filter0)s::text[] "
        "OR (source #>> '{o,x}') = ANY(%(filter0)s::text[]))"
    )
    assert _where("") == "true"


def test_dates_that_are_none_are_not_between_two() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    made = _where("", since=moment, until=moment)
    assert made.count("pg_input_is_valid") == 2
    assert ">= %(since)s AND CASE" in made
    assert made.endswith("< %(until)s")


def test_the_fields_of_the_collection_use_its_index() -> None:
    both = Question("a", fields=(Field("doc"), Field("name", 3)))
    assert _text(postgres_query.where(both, _DOCS)).startswith("words @@ ")
    one = _text(postgres_query.hits(Question("a", fields=(Field("doc"),)), _DOCS))
    assert "setweight(to_tsvector('english', coalesce((source #>> '{doc}'), '')), 'A')" in one
    assert "ts_rank_cd('{0, 0, 0, 1}'" in one


def test_boosts_become_weights() -> None:
    fields = (Field("doc", 1), Field("name", 4), Field("kind", 2))
    made = _text(postgres_query.hits(Question("a", fields=fields), _DOCS))
    assert "'{0, 0.25, 0.5, 1}'" in made
    assert made.count("'A')") == made.count("'B')") == made.count("'C')") == 2


def test_a_page_and_its_order() -> None:
    asked = Question("a", size=5, page=3, sort=(Sort("made", True),))
    made = _text(postgres_query.hits(asked, _DOCS))
    assert "LIMIT 5 OFFSET 10" in made
    assert made.endswith("END DESC NULLS LAST, score DESC NULLS LAST, id")
