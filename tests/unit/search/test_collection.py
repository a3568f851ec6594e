"""What a mapping, or some documents, say of a collection."""

from __future__ import annotations

import pytest

from scalelab.errors import UnknownName, UsageError
from scalelab.search import collection
from scalelab.search.question import Field, Question, Sort

_TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword"}}}
_MAPPING = {
    "_meta": {
        "scalelab": {"title": "name", "fields": ["name^3", "doc"], "facets": ["kind"], "date": None}
    },
    "properties": {
        "name": _TEXT,
        "doc": {"type": "text"},
        "kind": {"type": "keyword"},
        "made": {"type": "date"},
        "headers": {"properties": {"from": _TEXT}},
        "comments": {"type": "nested", "properties": {"by": {"type": "keyword"}}},
    },
}


def test_a_mapping_is_read_whole() -> None:
    read = collection.from_mapping("docs", _MAPPING)
    assert read.types == {
        "name": "text",
        "name.keyword": "keyword",
        "doc": "text",
        "kind": "keyword",
        "made": "date",
        "headers": "object",
        "headers.from": "text",
        "headers.from.keyword": "keyword",
        "comments": "nested",
        "comments.by": "keyword",
    }
    assert (read.title, read.facets, read.date) == ("name", ("kind",), None)
    assert read.fields == (Field("name", 3.0), Field("doc"))


def test_without_meta_it_is_guessed() -> None:
    read = collection.from_mapping("docs", {"properties": _MAPPING["properties"]})
    assert read.title == "name"
    assert [each.name for each in read.fields] == ["name", "doc", "headers.from"]


def test_an_index_without_fields() -> None:
    read = collection.from_mapping("docs", {})
    assert (read.types, read.title, read.fields) == ({}, None, ())
    with pytest.raises(UsageError, match="no text field"):
        read.searched(Question("a"))


def test_documents_tell_their_fields() -> None:
    documents = [
        {"title": "One", "n": 1, "ok": True, "tags": ["a"], "at": {"day": "2024-01-01"}},
        {"title": "Two words", "nothing": None},
        {"title": "Three"},
    ]
    read = collection.from_documents("docs", documents, {"date": "at.day"})
    assert read.types == {
        "title": "text",
        "n": "double",
        "ok": "boolean",
        "tags": "keyword",
        "at": "object",
        "at.day": "date",
    }
    assert read.title == "title"


def test_whole_values_are_in_a_sub_field() -> None:
    read = collection.from_mapping("docs", _MAPPING)
    assert read.column("kind") == "kind"
    assert read.column("name") == "name.keyword"
    assert read.column("headers.from") == "headers.from.keyword"
    with pytest.raises(UsageError, match="doc of docs is text") as error:
        read.column("doc")
    assert "kind, made, name.keyword" in error.value.hint


def test_an_unknown_field_suggests_the_near_one() -> None:
    read = collection.from_mapping("docs", _MAPPING)
    for asked in (
        Question("a", fields=(Field("knd"),)),
        Question("a", filters={"knd": ("x",)}),
        Question("a", sort=(Sort("knd"),)),
        Question("a", facets=("knd",)),
    ):
        with pytest.raises(UnknownName) as error:
            read.check(asked)
        assert error.value.hint.startswith("did you mean 'kind'? fields of docs: comments")


def test_nested_documents_take_a_query_of_their_own() -> None:
    read = collection.from_mapping("docs", _MAPPING)
    read.check(Question("a", fields=(Field("headers.from"),)))
    with pytest.raises(UsageError, match="nested documents"):
        read.check(Question("a", fields=(Field("comments.by"),)))


def test_which_date_is_meant() -> None:
    def having(**types: str) -> collection.Collection:
        return collection.make("docs", types, {})

    assert having(made="date", text="text").dated() == "made"
    assert collection.make("docs", {"a": "date", "b": "date"}, {"date": "b"}).dated() == "b"
    with pytest.raises(UsageError, match="no date"):
        having(text="text").dated()
    with pytest.raises(UsageError, match="several dates: a, b"):
        having(a="date", b="date").dated()


def test_a_value_by_its_dotted_name() -> None:
    document = {"headers": {"from": "ann"}, "n": 0}
    assert collection.value(document, "headers.from") == "ann"
    assert collection.value(document, "headers.from.keyword") == "ann"
    assert collection.value(document, "n") == 0
    assert collection.value(document, "n.m") is None
    assert collection.value(document, "none") is None
