"""Judged queries asked of both engines: the same answers, and what is not there is found out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from scalelab import elastic, sql
from scalelab.model import Places
from scalelab.search import asking, evaluation, judged
from scalelab.search.asking import Engine
from scalelab.search.question import Question

pytestmark = pytest.mark.search

_INDEX = "evaluated"
_COUNT = 1500
"""More than are asked for at once."""


@pytest.fixture(scope="module")
def engines(search_places: Places) -> Iterator[list[Engine]]:
    documents = {
        f"d{number}": {"text": f"number {number} is {'odd' if number % 2 else 'even'}"}
        for number in range(_COUNT)
    }
    lines = [line for id_, d in documents.items() for line in ({"index": {"_id": id_}}, d)]
    table = (
        f"CREATE SCHEMA IF NOT EXISTS corpus; DROP TABLE IF EXISTS corpus.{_INDEX};"
        f"CREATE TABLE corpus.{_INDEX} (id text PRIMARY KEY, source jsonb NOT NULL,"
        " whole text NOT NULL, words tsvector NOT NULL)"
    )
    fill = f"INSERT INTO corpus.{_INDEX} VALUES (%s, %s, %s, to_tsvector('english', %s))"
    with (
        elastic.client(search_places) as client,
        sql.connect(sql.primaries(search_places)[0]) as connection,
    ):
        client.options(ignore_status=404).indices.delete(index=_INDEX)
        client.bulk(index=_INDEX, operations=lines, refresh=True)
        connection.execute(table)
        with connection.cursor() as cursor:
            rows = ((i, json.dumps(d), d["text"], d["text"]) for i, d in documents.items())
            cursor.executemany(fill, rows)
        connection.commit()
        with asking.engines(search_places, "both", _INDEX) as opened:
            yield opened
        client.indices.delete(index=_INDEX)
        connection.execute(f"DROP TABLE corpus.{_INDEX}")


def test_what_is_there_and_what_is_not(engines: list[Engine]) -> None:
    there = {f"d{number}" for number in range(_COUNT)}
    for engine in engines:
        assert judged.present(engine, [*there, "gone", "", "a\0b", 'quo"te']) == there
        assert judged.present(engine, []) == set()


def test_both_engines_are_asked_and_measured_alike(engines: list[Engine]) -> None:
    asked = {"q7": Question("number 7 odd", size=5), "none": Question("number 7 even", size=5)}
    grades = {"q7": {"d7": 1, "d8": 0}, "none": {"d7": 1}}
    for engine in engines:
        answers = judged.answers(engine, asked)
        assert answers == {"q7": ("d7",), "none": ()}
        measured = evaluation.evaluate(grades, answers, 5)
        assert (measured["q7"].mrr, measured["q7"].precision) == (1, 0.2)
        assert measured["none"] == evaluation.Measured(0, 0, 0, 0)
