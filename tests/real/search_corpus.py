"""Twelve documents whose answers one can tell by looking, in both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from elasticsearch import helpers

from scalelab import elastic, sql
from scalelab.model import Places

META = {
    "corpus": "jsonl",
    "title": "name",
    "fields": ["name^3", "doc"],
    "facets": ["kind"],
    "date": "date",
}

_TEXT = {"type": "text", "analyzer": "english"}
_PROPERTIES = {
    "name": {**_TEXT, "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
    "doc": _TEXT,
    "kind": {"type": "keyword"},
    "module": {"type": "keyword"},
    "tags": {"type": "keyword"},
    "date": {"type": "date"},
    "pages": {"type": "long"},
}
_ROWS = """
open            | function | io        | 2020-01-05 | io file  | 3 | Open a file and return a stream. Read lines from the file object.
close           | function | io        | 2020-02-05 | io file  | 1 | Close the file. Nothing can be read after that.
readlines       | method   | io        | 2021-03-01 | io       | 2 | Read and return a list of lines from the stream, hint limits them.
fileinput       | module   | fileinput | 2021-12-31 | io file  | 5 | Iterate over lines of several files: open each file in turn.
socket          | module   | socket    | 2022-01-01 | net      | 8 | Low level networking interface: connect, listen, accept.
select          | module   | select    | 2022-06-15 | net io   | 4 | Waiting for I/O completion on sockets and files.
sort            | method   | list      | 2019-07-07 | data     | 2 | Sort the list in place and return None.
sorted          | function | builtins  | 2019-08-08 | data     | 2 | Return a new sorted list from the items of an iterable.
json            | module   | json      | 2023-05-05 | data file| 7 | Read and write JSON documents: dump, load, dumps, loads.
csv             | module   | csv       | 2023-09-09 | data file| 6 | Read and write comma separated files, rows and lines.
quick brown fox | story    | tales     | 2024-02-29 | animal   | 1 | The quick brown fox jumps over the lazy dog.
lazy dog        | story    | tales     | 2024-03-01 | animal   | 1 | A lazy dog sleeps while a brown fox is quick to leave.
"""  # noqa: E501  - a table reads as one


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and fields of each; a document's id is its number."""
    for number, line in enumerate(_ROWS.strip().splitlines(), 1):
        name, kind, module, date, tags, pages, doc = map(str.strip, line.split("|"))
        yield (
            f"d{number}",
            {
                "name": name,
                "kind": kind,
                "module": module,
                "date": date,
                "tags": tags.split(),
                "pages": int(pages),
                "doc": doc,
            },
        )


def load(places: Places, index: str) -> None:
    """Put them into a new index, and into a table of this name, as ``search load`` would."""
    with elastic.client(places, 60) as client:
        client.options(ignore_status=404).indices.delete(index=index)
        client.indices.create(
            index=index,
            settings={"number_of_shards": 1, "number_of_replicas": 0},
            mappings={"_meta": {"scalelab": META}, "properties": _PROPERTIES},
        )
        actions = ({"_index": index, "_id": id, **fields} for id, fields in documents())
        helpers.bulk(client, actions, refresh=True)
    with sql.connect(sql.primaries(places)[0]) as connection:
        ask = connection.execute
        ask("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        ask("CREATE SCHEMA IF NOT EXISTS corpus")
        ask(f"DROP TABLE IF EXISTS corpus.{index}")  # type: ignore[arg-type]
        ask(
            f"CREATE TABLE corpus.{index} (id text PRIMARY KEY, source jsonb NOT NULL, "  # type: ignore[arg-type]
            "whole text NOT NULL, words tsvector NOT NULL)"
        )
        for id, fields in documents():
            ask(
                f"INSERT INTO corpus.{index} SELECT %s, %s, %s || E'\\n' || %s, "  # type: ignore[arg-type]
                "setweight(to_tsvector('english', %s), 'A') || "
                "setweight(to_tsvector('english', %s), 'B')",
                (id, json.dumps(fields), *(fields["name"], fields["doc"]) * 2),
            )
        ask(f"COMMENT ON TABLE corpus.{index} IS '{json.dumps(META)}'")  # type: ignore[arg-type]


def drop(places: Places, index: str) -> None:
    """Take them away again."""
    with elastic.client(places, 60) as client:
        client.options(ignore_status=404).indices.delete(index=index)
    with sql.connect(sql.primaries(places)[0]) as connection:
        connection.execute(f"DROP TABLE IF EXISTS corpus.{index}")  # type: ignore[arg-type]
