"""Judged queries asked of an engine, and whether what was judged is there at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from scalelab.search import server
from scalelab.search.question import Question

if TYPE_CHECKING:
    from scalelab.search.asking import Engine
    from scalelab.search.elastic_engine import Elastic
    from scalelab.search.postgres_engine import Postgres

_AT_ONCE = 1000


def answers(engine: Engine, asked: Mapping[str, Question]) -> dict[str, tuple[str, ...]]:
    """The ids that an engine finds, by query, best first."""
    return {query: engine.ask(question).ids for query, question in asked.items()}


def present(engine: Engine, ids: Collection[str]) -> set[str]:
    """Which of these documents the engine has."""
    from scalelab.search.elastic_engine import Elastic
    from scalelab.search.postgres_engine import Postgres

    # What a file may name and no document can be called.
    every, found = sorted(id_ for id_ in ids if id_ and "\0" not in id_), set[str]()
    for begin in range(0, len(every), _AT_ONCE):
        some = every[begin : begin + _AT_ONCE]
        if isinstance(engine, Elastic):
            found |= _in_elasticsearch(engine, some)
        elif isinstance(engine, Postgres):
            found |= _in_postgres(engine, some)
    return found


def _in_elasticsearch(engine: Elastic, ids: list[str]) -> set[str]:
    asked = {"query": {"ids": {"values": ids}}, "size": len(ids), "_source": False}
    answer = server.send(engine.client, "POST", engine.path, asked)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def _in_postgres(engine: Postgres, ids: list[str]) -> set[str]:
    from psycopg import sql

    from scalelab.search import postgres_query

    table = postgres_query.table(engine.collection)
    asked = sql.SQL("SELECT id FROM {} WHERE id = ANY (%s)").format(table)
    return {str(id_) for (id_,) in engine.connection.execute(asked, (ids,))}
