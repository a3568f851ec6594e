"""Types told, written and inferred."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scalelab.corpora import jsonl, pydoc
from scalelab.corpora._corpus import Meta
from scalelab.errors import UsageError
from scalelab.search import mapping

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_PROSE = {"type": "text", "analyzer": "english"}


def inferred(*values: Any) -> Any:
    """The type that a field of these values gets."""
    return mapping.infer({"f": value} for value in values).get("f")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2**62, None], "long"),
        ([1, 2**63], "double"),
        ([1, 2.5], "double"),
        ([True, False], "boolean"),
        ([True, 1], "keyword"),
        (["2024-05-01", "2024-05-01T10:00:00Z"], "date"),
        (["2024-05-01", "2024-05-01T10:00:00.123+02:00"], "date"),
        (["2024-13-01"], "keyword"),
        (["2024-05-01", "soon"], "keyword"),
        (["red", "green", "red"], "keyword"),
        (["New York", "New York", "New York"], "keyword"),
        (["Ada Lovelace", "Alan Turing"], "text"),
        (["a few words that are prose", "a"], "text"),
        (["ada@example.org", "alan@example.org"], "keyword"),
        (["1a", 12], "keyword"),
        ([["a", "b"], "a"], "keyword"),
        ([[1, [2]], []], "long"),
    ],
)
def test_types(values: list[Any], kind: str) -> None:
    assert inferred(*values)["type"] == kind


def test_what_has_no_values_has_no_type() -> None:
    assert mapping.infer([{"a": None, "b": "", "c": [], "d": 1}]) == {"d": {"type": "long"}}


def test_short_texts_are_kept_whole_as_well() -> None:
    assert inferred("Ada Lovelace", "Alan Turing") == mapping.TEXT
    assert inferred("word " * 100) == _PROSE
    assert inferred("red", "red") == _KEYWORD


def test_a_date_with_a_space_has_a_format_of_its_own() -> None:
    kind = inferred("2024-05-01 10:00:00", "2024-05-01")
    assert kind["format"].startswith("yyyy-MM-dd HH:mm:ss||")


def test_objects() -> None:
    found = mapping.infer(
        [
            {"a": {"b": 1}, "l": [{"x": 1}, {"y": True}]},
            {"a": {"c": {"d": 2.0}}, "a.b": 2, "e.f": "2024-01-01", "": 1, ".x": 1},
        ]
    )
    assert found == {
        "a": {
            "properties": {
                "b": {"type": "long"},
                "c": {"properties": {"d": {"type": "double"}}},
            }
        },
        "l": {"properties": {"x": {"type": "long"}, "y": {"type": "boolean"}}},
        "e": {"properties": {"f": {"type": "date"}}},
    }


def test_what_is_more_often_an_object_is_one() -> None:
    assert inferred({"a": 1}, {"a": 2}, 7) == {"properties": {"a": {"type": "long"}}}
    assert inferred({"a": 1}, 7, 8) == {"type": "long"}


def test_how_documents_are_best_searched() -> None:
    properties = mapping.infer(
        [
            {"id": n, "name": f"The name {n}", "text": "a b c d e", "kind": "k", "ok": True}
            | {"when": "2024-01-01"}
            for n in range(3)
        ]
    )
    assert mapping.described(properties) == Meta("name", ("name^3", "text"), ("kind", "ok"), "when")


def test_a_corpus_tells_its_own() -> None:
    schema = mapping.made("pydoc", pydoc.CORPUS.mapping, pydoc.CORPUS.meta, [])
    assert schema.told["fields"] == ["name^3", "parts^2", "doc"]
    assert schema.mappings()["_meta"]["scalelab"] == schema.told
    assert schema.mappings()["properties"]["doc"]["analyzer"] == "english"


def test_a_server_without_the_analyzer() -> None:
    schema = mapping.made("pydoc", pydoc.CORPUS.mapping, pydoc.CORPUS.meta, []).without("english")
    assert "english" not in json.dumps(schema.mappings("standard"))
    assert schema.properties["doc"]["analyzer"] == "standard"


def test_a_user_wins_field_by_field() -> None:
    given = mapping.read('{"properties": {"a": {"type": "keyword"}}}', "m.json")
    schema = mapping.made("jsonl", jsonl.CORPUS.mapping, None, [{"a": 1, "b": 2}], given)
    assert schema.properties == {"a": {"type": "keyword"}, "b": {"type": "long"}}
    assert schema.meta.fields == ("a",)


def test_a_user_wants_these_fields_and_no_others() -> None:
    text = '{"mappings": {"dynamic": "strict", "properties": {"a": {"type": "long"}}}}'
    schema = mapping.made("jsonl", None, None, [{"a": 1, "b": 2}], mapping.read(text, "m.json"))
    assert schema.properties == {"a": {"type": "long"}}
    assert schema.mappings()["dynamic"] == "strict"


def test_a_user_says_how_it_is_searched() -> None:
    given = mapping.read(
        json.dumps(
            {
                "settings": {"number_of_shards": 2},
                "mappings": {
                    "_meta": {"mine": 1, "scalelab": {"title": "b", "fields": ["b"]}},
                    "properties": {"a": {"type": "text"}, "b": {"type": "text"}},
                },
            }
        ),
        "m.json",
    )
    schema = mapping.made("jsonl", None, None, [], given)
    assert (schema.meta.title, schema.meta.fields) == ("b", ("b",))
    assert schema.mappings()["_meta"]["mine"] == 1
    assert schema.settings == {"number_of_shards": 2}


def test_what_an_index_has_already_stays_as_it_is() -> None:
    told = {"corpus": "jsonl", "title": "a", "fields": ["a"], "facets": [], "date": None}
    before = {
        "_meta": {"scalelab": told},
        "properties": {"a": {"type": "text"}, "o": {"properties": {"x": {"type": "long"}}}},
    }
    sample = [{"a": 1, "b": 2, "o": {"x": "one", "y": True}}]
    schema = mapping.made("jsonl", None, None, sample, before=before)
    assert schema.properties == {
        "b": {"type": "long"},
        "o": {"properties": {"y": {"type": "boolean"}}},
    }
    assert schema.told == told
    other = mapping.made("csv", None, None, sample, before=before)
    assert other.meta.facets == ("o.y",), "another corpus is described anew, by all its fields"
    given = {"mappings": {"properties": {"a": {"type": "long"}}}}
    assert "a" in mapping.made("jsonl", None, None, sample, given, before).properties


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON: "),
        ("[]", "is no JSON object"),
        ('{"a": "text"}', "does not say which field has which type"),
        ('{"properties": []}', "does not say which field has which type"),
        ('{"mappings": 1}', "does not say which field has which type"),
    ],
)
def test_what_is_no_mapping(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        mapping.read(text, "m.json")


def test_fields_by_their_dotted_names() -> None:
    properties = {"a": {"properties": {"b": {"type": "long"}}}, "c": {"type": "text"}}
    assert [name for name, _ in mapping.flat(properties)] == ["a.b", "c"]


def test_words_for_postgresql() -> None:
    meta = Meta("name", ("name^3", "a.b", "tags", "x.y", "n"))
    document = {
        "name": "The name",
        "a": [{"b": "one"}, {"b": ["two", "three"]}, 5],
        "tags": ["t"],
        "x.y": "dotted",
        "n": 7,
        "other": "not searched",
    }
    assert mapping.words(meta, document) == ("The name", "one two three\nt\ndotted")


def test_words_where_no_field_is_known() -> None:
    assert mapping.words(Meta(), {"a": "x", "b": 1, "c": ["y"]}) == ("", "x\ny")


def test_a_title_that_is_not_searched_weighs_nothing() -> None:
    assert mapping.words(Meta("user", ("text",)), {"user": "ada", "text": "x"}) == ("", "x")
