"""Wires between a learner and servers: counted, and cut at any statement."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from scalelab import sql
from scalelab.grading.wire import Cut, Wires
from scalelab.model import Places
from tests.real import wheels


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        wheels.sql(server.place, "CREATE TABLE seen (n int)")
        yield {"one": server.place, "two": server.place}


@pytest.fixture(autouse=True)
def empty(places: Places) -> None:
    wheels.sql(places["one"], "TRUNCATE seen")


def insert(wires: Wires, times: int) -> int:
    """Insert by each wire in turn; how many were answered before one was cut."""
    sessions = [sql.connect(place) for place in wires.places.values()]
    try:
        for session in sessions:
            session.autocommit = True
        for number in range(times):
            try:
                sessions[number % 2].execute("INSERT INTO seen VALUES (%s)", (number,))
            except psycopg.OperationalError:
                return number
        return times
    finally:
        for session in sessions:
            session.close()


def there(places: Places) -> int:
    (count,) = wheels.sql(places["one"], "SELECT count(*) FROM seen")[0]
    return int(str(count))


def test_statements_and_bytes_are_counted(places: Places) -> None:
    with Wires(places) as wires:
        assert insert(wires, 4) == 4
        assert wires.statements == 4
        before = wires.received
        with sql.connect(wires.places["one"]) as session:
            assert session.execute("SELECT repeat('x', 100000)").fetchone() == ("x" * 100_000,)
        assert wires.received - before > 100_000
        assert not wires.ended.is_set()
    assert there(places) == 4


@pytest.mark.parametrize("at", [1, 2, 5])
def test_what_is_cut_off_before_a_statement_never_gets_it(places: Places, at: int) -> None:
    with Wires(places, Cut(at, answered=False)) as wires:
        assert insert(wires, 6) == at - 1
        assert wires.ended.is_set()
    assert there(places) == at - 1


@pytest.mark.parametrize("at", [1, 2, 5])
def test_what_is_cut_off_after_a_statement_has_it_and_no_answer(places: Places, at: int) -> None:
    with Wires(places, Cut(at, answered=True)) as wires:
        assert insert(wires, 6) == at - 1
        assert wires.ended.is_set()
    assert there(places) == at


def test_nothing_goes_on_once_the_wires_are_closed(places: Places) -> None:
    with Wires(places) as wires:
        session = sql.connect(wires.places["one"])
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        sql.connect(wires.places["two"], 2)
