"""The engines of a cluster, opened to be asked; and both asked the same, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from scalelab import elastic, sql
from scalelab.errors import EnvironmentLacks, UnknownName, UsageError
from scalelab.model import Places
from scalelab.search import agreement, finding
from scalelab.search.answer import Answer
from scalelab.search.collection import Collection
from scalelab.search.question import Question

if TYPE_CHECKING:
    import psycopg
    from elasticsearch import Elasticsearch

ENGINES = ("es", "postgres", "both")

_PATIENCE_S = 30.0
_REPEATS = 5
_COMPARED = 10
# Two letters of a word of four exchanged leave 2 of 5 trigrams: Elasticsearch's fuzziness finds it.
_ALIKE = 0.39


class Engine(Protocol):
    """What can be asked."""

    name: str
    collection: Collection

    def ask(self, asked: Question) -> Answer:
        """The answer to one question."""


@dataclass(frozen=True)
class Comparison:
    """How alike two engines answer, and how fast.

    Parameters
    ----------
    overlap_at_10 : the share of their first ten that both have.
    rank_correlation : Kendall's tau of what both have; None with fewer than two.
    latency_ms : engine -> the median of several, asked in turn, as the client waited.
    """

    overlap_at_10: float
    rank_correlation: float | None
    latency_ms: dict[str, float]


@contextmanager
def engines(places: Places, engine: str, index: str | None) -> Iterator[list[Engine]]:
    """What is to be asked of a cluster.

    Parameters
    ----------
    engine : es, postgres or both.
    index : the documents' name; None: the only ones there are.

    Raises
    ------
    UnknownName, UsageError : no such engine, or no such documents in it.
    EnvironmentLacks : a server does not answer.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    opened: list[Engine] = []
    with ExitStack() as stack:
        if engine in ("es", "both"):
            from scalelab.search.elastic_engine import Elastic

            client = stack.enter_context(elasticsearch(places))
            opened.append(Elastic(client, finding.in_elasticsearch(client, index)))
            index = opened[0].collection.name
        if engine in ("postgres", "both"):
            from scalelab.search.postgres_engine import Postgres

            connection = stack.enter_context(postgres(places))
            there = finding.in_postgres(connection, index)
            # One collection for both: the mapping knows the fields better than a sample does.
            opened.append(Postgres(connection, opened[0].collection if opened else there))
        yield opened


@contextmanager
def elasticsearch(places: Places, patience_s: float = _PATIENCE_S) -> Iterator[Elasticsearch]:
    """A client of the cluster's Elasticsearch, which has so many seconds for an answer.

    Raises
    ------
    UsageError : the cluster has none.
    """
    if not elastic.nodes(places):
        raise UsageError(
            "this cluster has no Elasticsearch",
            "bring one up: scalelab up search; or ask PostgreSQL: --engine postgres",
        )
    with elastic.client(places, patience_s) as client:
        yield client


@contextmanager
def postgres(places: Places) -> Iterator[psycopg.Connection]:
    """A session of the cluster's PostgreSQL that reads, and keeps no transaction open.

    Raises
    ------
    UsageError : the cluster has none.
    EnvironmentLacks : it does not answer.
    """
    import psycopg

    found = sql.primaries(places)
    if not found:
        raise UsageError("this cluster has no PostgreSQL", "leave --engine out")
    try:
        connection = sql.connect(found[0])
    except psycopg.Error as error:
        raise EnvironmentLacks(
            f"PostgreSQL does not answer: {str(error).splitlines()[0]}", "see: scalelab status"
        ) from None
    with connection:
        connection.autocommit = True
        connection.read_only = True
        connection.execute("SET timezone = 'UTC'")
        connection.execute(f"SET pg_trgm.word_similarity_threshold = {_ALIKE}")
        yield connection


def ask(asked: Sequence[Engine], question: Question) -> list[Answer]:
    """Each engine's answer."""
    return [engine.ask(question) for engine in asked]


def compare(asked: Sequence[Engine], answers: Sequence[Answer], question: Question) -> Comparison:
    """How alike two answers are, and how long such a question takes: asked again, in turn."""
    timed = replace(question, explain=False, profile=False)
    waited: dict[str, list[float]] = {engine.name: [] for engine in asked}
    for repeat in range(_REPEATS):
        for engine in asked if repeat % 2 else reversed(asked):
            begin = time.perf_counter()
            engine.ask(timed)
            waited[engine.name].append((time.perf_counter() - begin) * 1000)
    if question.page > 1 or question.size < _COMPARED:
        first = replace(timed, page=1, size=_COMPARED, facets=())
        answers = ask(asked, first)
    ours, theirs = answers[0].ids, answers[1].ids
    return Comparison(
        overlap_at_10=agreement.overlap(ours, theirs, _COMPARED),
        rank_correlation=agreement.rank_correlation(ours, theirs),
        latency_ms={name: statistics.median(each) for name, each in waited.items()},
    )
