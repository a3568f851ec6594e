"""Which documents there are, in either engine: what is asked when no index is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scalelab.errors import UnknownName, UsageError
from scalelab.search import server
from scalelab.search.collection import Collection, from_documents, from_mapping

if TYPE_CHECKING:
    import psycopg
    from elasticsearch import Elasticsearch

_LOAD = "load one: scalelab search load pydoc"
_SAMPLED = 200
_NOT_THERE = 404


def in_elasticsearch(client: Elasticsearch, index: str | None) -> Collection:
    """The index of this name (or alias, or pattern), or the only one that ``search load`` made.

    Raises
    ------
    UnknownName, UsageError : there is none, or there are several.
    """
    if index is None:
        index = only(loaded(client), "index")
    if not index or index.startswith(("-", "_")) or set(index) & set(' "\\/?#<>|'):
        raise UsageError(
            f"{index!r} cannot be an index's name", "see: scalelab search rest GET _cat/indices"
        )
    try:
        found = server.send(client, "GET", f"/{quote(index, safe=',*')}/_mapping")
    except server.Refused as error:
        if error.status != _NOT_THERE:
            raise
        raise UnknownName("index", index, indices(client)) from None
    if not found:
        raise UnknownName("index", index, indices(client))
    merged: dict[str, Any] = {"properties": {}}
    for each in reversed(found.values()):
        mapping = each["mappings"]
        merged["properties"].update(mapping.get("properties", {}))
        merged.update({"_meta": mapping["_meta"]} if "_meta" in mapping else {})
    return from_mapping(index, merged)


def loaded(client: Elasticsearch) -> list[str]:
    """The indices that ``search load`` made."""
    path = "/_all/_mapping?filter_path=*.mappings._meta.scalelab"
    return sorted(server.send(client, "GET", path))


def indices(client: Elasticsearch) -> list[str]:
    """Every index and alias that is not the server's own."""
    found = server.send(client, "GET", "/_alias")
    names = {*found, *(alias for each in found.values() for alias in each["aliases"])}
    return sorted(name for name in names if not name.startswith("."))


def in_postgres(connection: psycopg.Connection, table: str | None) -> Collection:
    """The documents of this name, or the only ones there are.

    Raises
    ------
    UnknownName, UsageError : there are none, or there are several.
    """
    from psycopg.sql import SQL

    from scalelab.search.postgres_query import table as identifier

    known = tables(connection)
    name = table or only(sorted(known), "table")
    if name not in known:
        if not known:
            raise UsageError("PostgreSQL has no documents to search", _LOAD)
        raise UnknownName("table of corpus", name, known)
    sample = SQL("SELECT source FROM {} ORDER BY id LIMIT %s").format(
        identifier(Collection(name, {}))
    )
    documents = [source for (source,) in connection.execute(sample, (_SAMPLED,))]
    return from_documents(name, documents, known[name])


def tables(connection: psycopg.Connection) -> dict[str, Mapping[str, Any]]:
    """The tables that ``search load`` filled, each with what it says of itself."""
    asked = (
        "SELECT relname, obj_description(c.oid) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'corpus' AND relkind = 'r'"
    )
    return {str(name): _meta(comment) for name, comment in connection.execute(asked)}


def only(names: list[str], kind: str) -> str:
    """The one name there is.

    Raises
    ------
    UsageError : there is none, or there are several.
    """
    if not names:
        raise UsageError("there is nothing to search yet", _LOAD)
    if len(names) > 1:
        kinds = "indices" if kind == "index" else f"{kind}s"
        raise UsageError(
            f"several {kinds} are loaded: {', '.join(names)}", "choose one with --index"
        )
    return names[0]


def _meta(comment: str | None) -> Mapping[str, Any]:
    try:
        read = json.loads(comment or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, Mapping) else {}
