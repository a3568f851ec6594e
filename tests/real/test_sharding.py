"""What the sharding workloads do on real servers. Coordinators of transfers really die here."""

from __future__ import annotations

import random
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from scalelab.clients import postgres
from scalelab.load.loop import Loop, now
from scalelab.load.worker import SliceTask
from scalelab.model import Load, Places, WorkerReport
from scalelab.workloads import routed_write, shard_reads, transfer
from tests.real import wheels
from tests.real.flow import drive_until

_SLICES = 20
_LOAD = Load(clients=8, rate=None, duration_s=0.4, warmup_s=0.1, seed=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    roles = {"shard1": "shard", "shard2": "shard", "router": "router"}
    with wheels.nodes(tmp_path_factory, roles, "max_prepared_transactions=100") as found:
        for module in (transfer, routed_write, shard_reads):
            module.WORKLOAD.load(found)
            module.WORKLOAD.load(found)  # again is harmless
        yield found


def drive(
    places: Places, seed: int, *kinds: str, workload: str = "transfer", **options: str | float
) -> WorkerReport:
    """A slice that has operations or failures of these kinds."""
    task = SliceTask(places, workload, options, replace(_LOAD, seed=seed), 0)
    return drive_until(task, *kinds)


# --- transfers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("commit", "loses"), [("apart", True), ("two-phase", False)])
def test_what_dying_coordinators_lose(places: Places, commit: str, loses: bool) -> None:
    loses_as_expected(places, 1, commit, loses)


@pytest.mark.labs
@pytest.mark.parametrize(("commit", "loses"), [("apart", True), ("two-phase", False)])
def test_twenty_of_twenty(places: Places, commit: str, loses: bool) -> None:
    for seed in range(_SLICES):
        loses_as_expected(places, seed, commit, loses)


def loses_as_expected(places: Places, seed: int, commit: str, loses: bool) -> None:
    # Between the commits money has been taken and not given: whoever dies there, the sum is less.
    drive(places, seed, "coordinator died", "transfer", commit=commit, dies=0.5)
    figures = transfer.WORKLOAD.audit(places, _LOAD).figures
    assert (figures["sum_error"] > 0) is loses, (seed, figures)


@pytest.mark.parametrize("commit", ["apart", "two-phase"])
def test_nothing_is_off_where_nobody_dies(places: Places, commit: str) -> None:
    report = drive(places, 1, commit=commit)
    # Who waits for a lock for long gives up, which a busy machine may make him; that loses nothing.
    assert set(report.errors) <= {"lock not available"}
    figures = transfer.WORKLOAD.audit(places, _LOAD).figures
    assert figures == {"sum_error": 0, "in_doubt": 0}


def test_what_nobody_settles_stays_in_doubt_and_is_settled_in_the_end(places: Places) -> None:
    drive(places, 1, "coordinator died", commit="two-phase", dies=0.5, recovers=False)
    figures = transfer.WORKLOAD.audit(places, _LOAD).figures
    assert figures["in_doubt"] > 0
    assert figures["sum_error"] == 0
    assert transfer.WORKLOAD.audit(places, _LOAD).figures == {"sum_error": 0, "in_doubt": 0}


# --- routing -------------------------------------------------------------------------------------


def busiest(places: Places, route: str, keys: str, seed: int = 1) -> tuple[float, int]:
    """The busiest shard's share over the mean, and how many writes were told at least."""
    report = drive(places, seed, "write", workload="routed_write", route=route, keys=keys)
    share = routed_write.WORKLOAD.audit(places, _LOAD).figures["hottest_share"]
    assert routed_write.WORKLOAD.audit(places, _LOAD).figures == {}  # it began anew
    return share, report.counts["write"]


def test_new_customers_go_to_the_shards_in_turn_by_modulo(places: Places) -> None:
    share, writes = busiest(places, "modulo", "counted")
    # Each session goes from shard to shard: it may have given one of them one more.
    assert 1 <= share <= 1 + _LOAD.clients / writes


def test_new_customers_all_go_to_the_last_range(places: Places) -> None:
    assert busiest(places, "range", "counted")[0] == 2


@pytest.mark.parametrize("route", ["directory", "ring"])
def test_popular_customers_are_routed_somewhere(places: Places, route: str) -> None:
    share, _ = busiest(places, route, "popular")
    assert 1 <= share <= 2


@pytest.mark.labs
@pytest.mark.parametrize(("route", "low", "high"), [("range", 1.5, 2), ("directory", 1, 1.2)])
def test_how_popular_customers_are_spread(
    places: Places, route: str, low: float, high: float
) -> None:
    # Drawn at random: few writes, on a busy machine, may say something else.
    found = (busiest(places, route, "popular", seed)[0] for seed in range(_SLICES))
    assert any(low <= share <= high for share in found)


# --- reads ---------------------------------------------------------------------------------------


def read(places: Places, key: int, **options: str) -> list[Any]:
    """What one session reads, in order."""
    connections: list[postgres.Connection] = []

    def connect(node: str) -> postgres.Connection:
        connections.append(postgres.Connection(places[node]))
        return connections[-1]

    context: Any = SimpleNamespace(places=places, connect=connect, next_key=lambda: key)
    session = shard_reads.WORKLOAD.session(context, options)
    found: list[Any] = []

    async def once() -> None:
        found.extend(await session.read(key))

    run(once())
    for connection in connections:
        connection.close()
    return sorted(found)


def run(coroutine: Coroutine[Any, None, None]) -> None:
    loop = Loop()
    loop.spawn(coroutine)
    loop.run(now() + 120)
    assert not loop.tasks, "it hangs"
    loop.close()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """All the data on one server."""
    with wheels.postgres(tmp_path_factory.mktemp("one")) as server:
        found = {server.place.node.name: server.place}
        shard_reads.WORKLOAD.load(found)
        yield found


@pytest.mark.parametrize("query", ["point", "scatter", "join"])
def test_shards_and_their_router_answer_as_one_server_does(
    places: Places, one: Places, query: str
) -> None:
    keys = random.Random(1).sample(range(shard_reads.WORKLOAD.keys), 20)
    expected = [read(one, key, query=query) for key in keys]
    assert all(expected)
    assert [read(places, key, query=query) for key in keys] == expected
    if query != "join":
        routed = [read(places, key, query=query, via="router") for key in keys]
        assert routed == expected


@pytest.mark.parametrize("query", ["point", "scatter", "join"])
def test_reads_go_on_without_an_error(places: Places, query: str) -> None:
    report = drive(places, 1, "read", workload="shard_reads", query=query)
    assert report.errors == {}
