"""A worker's slice against real servers: are its figures true?"""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from scalelab.load import worker
from scalelab.load.keys import Keys
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure.histogram import Histogram
from scalelab.model import TICK_S, Load, Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _shop, insert_write, point_read_write, product_page
from tests.real import wheels

_LOAD = Load(clients=8, rate=None, duration_s=1.0, warmup_s=0.2, seed=1)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, wheels.Server]]:
    with (
        wheels.postgres(tmp_path_factory.mktemp("postgres")) as postgres,
        wheels.valkey(tmp_path_factory.mktemp("valkey")) as cache,
    ):
        yield {"postgres": postgres, "redis": cache}


@pytest.fixture(scope="module")
def places(servers: dict[str, wheels.Server]) -> Places:
    places = {name: server.place for name, server in servers.items()}
    for module in (product_page, point_read_write, insert_write):
        module.WORKLOAD.load(places)
        module.WORKLOAD.load(places)  # again is harmless
    return places


@contextmanager
def after(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """Act in another thread, that long after the block began."""
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def kill_backends(places: Places) -> None:
    others = "application_name = 'scalelab load' AND pid <> pg_backend_pid()"
    # All sessions are there, and a moment later at work: on a busy machine that takes its time.
    there = f"SELECT count(*) FROM pg_stat_activity WHERE {others}"
    while wheels.sql(places["postgres"], there)[0][0] < _LOAD.clients:
        time.sleep(0.02)
    time.sleep(0.5)
    wheels.sql(
        places["postgres"],
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}",
    )


def empty_cache(places: Places) -> None:
    with wheels.cache(places["redis"]) as cache:
        cache.flushall()


@pytest.mark.parametrize(
    ("workload", "options", "kinds"),
    [
        ("product_page", {}, {"read", "write"}),
        ("product_page", {"cache": True}, {"read", "write", "hit", "miss"}),
        ("point_read_write", {"reads": "spread"}, {"read", "write"}),
        ("insert_write", {}, {"write"}),
    ],
)
def test_a_closed_slice_counts_what_it_did(
    places: Places, workload: str, options: Mapping[str, Any], kinds: set[str]
) -> None:
    report = run_slice(SliceTask(places, workload, options, _LOAD, 0))
    assert set(report.counts) == kinds
    assert report.errors == {}
    assert report.elapsed_s == pytest.approx(1, abs=0.05)
    operations = {kind: report.counts[kind] for kind in report.histograms}
    for kind, encoded in report.histograms.items():
        assert Histogram.decode(encoded).total == operations[kind]
        assert 20 < Histogram.decode(encoded).percentile(50) < 100_000
    assert report.planned == sum(operations.values())
    # All but the warm-up is measured, and no tick is missing.
    assert sum(map(sum, report.timeline.values())) >= report.planned
    assert max(map(len, report.timeline.values())) == round((_LOAD.warmup_s + 1) / TICK_S)
    assert report.histograms == report.service
    assert 0 < report.cpu_share <= 1.05
    assert report.unsent == 0


def test_mean_latency_and_throughput_agree(places: Places) -> None:
    # Little's law: in a closed loop, clients = throughput * mean response time.
    report = run_slice(SliceTask(places, "point_read_write", {"write_share": 0}, _LOAD, 0))
    mean_s = Histogram.decode(report.histograms["read"]).mean / 1e6
    assert report.counts["read"] / report.elapsed_s * mean_s == pytest.approx(8, rel=0.05)


def test_rows_written_are_writes_counted(places: Places) -> None:
    def rows() -> int:
        return int(str(wheels.sql(places["postgres"], "SELECT count(*) FROM event")[0][0]))

    before = rows()
    load = replace(_LOAD, warmup_s=0)
    report = run_slice(SliceTask(places, "insert_write", {}, load, 0))
    # Not counted: those under way at the end, at most one a client.
    assert 0 <= rows() - before - report.counts["write"] <= load.clients


def test_without_a_defect_no_read_is_stale(places: Places) -> None:
    for workload in ("product_page", "point_read_write"):
        task = SliceTask(places, workload, {"write_share": 0.3}, _LOAD, 0)
        report = run_slice(task)
        assert (report.judged, report.stale) == (pytest.approx(report.counts["read"], rel=0.05), 0)
    alone = replace(_LOAD, clients=1)
    # What was cached before knows nothing of the writes above, which went past the cache.
    empty_cache(places)
    # One client cannot race against itself: cache-aside is exact.
    report = run_slice(SliceTask(places, "product_page", {"cache": True}, alone, 0))
    assert report.counts["hit"] > 0
    assert (report.stale, report.stale_max_age_ms) == (0, 0)


def test_a_cached_value_that_is_not_deleted_is_found_stale(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shop.CachingCustomer, "write", _shop.Customer.write)
    alone = replace(_LOAD, clients=1, seed=7)
    report = run_slice(SliceTask(places, "product_page", {"cache": True}, alone, 0))
    empty_cache(places)
    assert 0 < report.stale < report.judged
    assert 1 < report.stale_max_age_ms < 1300


def test_only_own_keys_are_judged(places: Places) -> None:
    load = replace(_LOAD, workers=2)
    report = run_slice(SliceTask(places, "point_read_write", {}, load, 1))
    keys = Keys(point_read_write.WORKLOAD.keys, point_read_write.WORKLOAD.distribution)
    own = sum(key % 2 for key in islice(keys.stream((9,)), 50_000)) / 50_000
    assert report.judged == pytest.approx(report.counts["read"] * own, rel=0.1)


def test_killed_backends_are_counted_and_sessions_go_on(places: Places) -> None:
    load = replace(_LOAD, warmup_s=0, duration_s=3.0)
    with after(0.0, lambda: kill_backends(places)):
        report = run_slice(SliceTask(places, "point_read_write", {}, load, 0))
    assert report.errors == {"connection lost": load.clients}
    unharmed = run_slice(SliceTask(places, "point_read_write", {}, load, 0))
    assert report.counts["read"] > unharmed.counts["read"] / 4


class _Gets:
    """One cache read an operation."""

    summary, keys, distribution = "", 100, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        class Session:
            cache = context.connect("redis")

            async def operate(self) -> str:
                await self.cache.get(context.next_key())
                return "read"

        return Session()


@pytest.fixture
def gets(places: Places, monkeypatch: pytest.MonkeyPatch) -> Callable[[Load], SliceTask]:
    monkeypatch.setattr(worker, "find_workload", lambda name: _Gets())
    return lambda load: SliceTask(places, "gets", {}, load, 0)


def test_a_stall_shows_in_the_open_loops_tail_as_the_arithmetic_says(
    servers: dict[str, wheels.Server], gets: Callable[[Load], SliceTask]
) -> None:
    rate, stall_s, duration_s = 500.0, 1.0, 4.0
    server = servers["redis"]

    def stall() -> None:
        server.pause()
        time.sleep(stall_s)
        server.resume()

    load = replace(_LOAD, rate=rate, warmup_s=0, duration_s=duration_s)
    with after(1.5, stall):
        report = run_slice(gets(load))
    response, service = (
        Histogram.decode(each["read"]) for each in (report.histograms, report.service)
    )
    assert (report.errors, report.unsent) == ({}, 0)
    assert response.total == report.planned == pytest.approx(rate * duration_s, rel=0.1)
    # Arrivals in the stall wait for its rest: the latency at share q is stall - (1 - q) * T.
    for percent in (80, 90, 95, 99):
        expected_s = stall_s - (1 - percent / 100) * duration_s
        assert response.percentile(percent) / 1e6 == pytest.approx(expected_s, abs=0.12)
    # Sent were only as many as there are clients: service time hides what the others waited.
    assert service.percentile(98) < 100_000
    assert service.max == pytest.approx(stall_s * 1e6, rel=0.1)
    # They waited for a client, because of the server: that is no lag of the generator.
    waited = Histogram.decode(report.client_wait)
    assert waited.total == Histogram.decode(report.send_lag).total == report.planned
    assert waited.percentile(95) == pytest.approx(response.percentile(95), abs=100_000)
    assert Histogram.decode(report.send_lag).percentile(95) < waited.percentile(95) / 5


def test_an_overloaded_open_loop_says_what_was_never_sent(
    places: Places, gets: Callable[[Load], SliceTask]
) -> None:
    report = run_slice(gets(replace(_LOAD, clients=1, rate=200_000.0)))
    assert report.planned == pytest.approx(200_000, rel=0.02)
    assert report.unsent > report.planned / 4
    sent = sum(Histogram.decode(each).total for each in report.histograms.values())
    assert sent + report.unsent + sum(report.errors.values()) == report.planned


def test_requests_never_answered_are_counted(
    servers: dict[str, wheels.Server], gets: Callable[[Load], SliceTask]
) -> None:
    load = replace(_LOAD, warmup_s=0)
    with after(0.5, servers["redis"].pause):
        closed = run_slice(gets(load))
    servers["redis"].resume()
    assert closed.errors == {"no answer": load.clients}
    with after(0.5, servers["redis"].pause):
        opened = run_slice(gets(replace(load, rate=1000.0)))
    servers["redis"].resume()
    assert opened.errors == {"no answer": load.clients}
    done = Histogram.decode(opened.histograms["read"]).total
    assert done + opened.unsent + load.clients == opened.planned


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_a_request_is_given_up_after_its_time(
    servers: dict[str, wheels.Server],
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    service: str,
) -> None:
    monkeypatch.setattr(worker, "ANSWER_S", 0.5)
    load = replace(_LOAD, warmup_s=0, duration_s=4.0)
    task = SliceTask(places, "insert_write", {}, load, 0)
    if service == "redis":
        task = request.getfixturevalue("gets")(load)
    server = servers[service]

    def outage() -> None:
        server.pause()
        time.sleep(2)
        server.resume()

    with after(0.5, outage):
        report = run_slice(task)
    # Each client gave its request up, and then its attempts to connect; after the outage all go on.
    assert report.errors["time-out"] == load.clients
    assert report.errors["cannot connect"] >= load.clients
    assert set(report.errors) == {"time-out", "cannot connect"}
    assert sum(next(iter(report.timeline.values()))[30:]) > 0


def test_an_outage_is_waited_for_not_spun_on(
    tmp_path: Path, gets: Callable[[Load], SliceTask]
) -> None:
    with wheels.valkey(tmp_path) as server:
        load = replace(_LOAD, warmup_s=0, duration_s=2.5)
        task = replace(gets(load), places={"redis": server.place})

        def outage() -> None:
            server.kill()
            time.sleep(1)
            server.start()

        with after(0.5, outage):
            report = run_slice(task)
        assert report.errors["connection lost"] == load.clients
        # 10, 20, 40, ... 500 ms between the attempts of a session: about eight in a second.
        assert 3 * load.clients <= report.errors["cannot connect"] <= 12 * load.clients
        assert sum(next(iter(report.timeline.values()))[20:]) > 0


class _Failing:
    """Every second operation fails: by an error of a server, or by a connection that ends."""

    summary, keys, distribution = "", 100, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        fails, names = options["fails"], itertools.cycle(["bad", "good"])
        db, cache = context.connect("postgres"), context.connect("redis")
        db.prepare("good", "SELECT 1")
        db.prepare("bad", "SELECT 1 / 0" if fails == "query" else "SELECT 1")

        class Session:
            async def operate(self) -> str:
                name = next(names)
                await db.execute(name)
                await cache.execute("QUIT" if (fails, name) == ("connection", "bad") else "PING")
                return "read"

        return Session()


def test_failures_leave_nothing_for_the_garbage_collector(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is off while a slice runs: what only it could free would grow with the slice's length.
    monkeypatch.setattr(worker, "find_workload", lambda name: _Failing())
    found: Counter[str] = Counter()
    load = replace(_LOAD, rate=500.0)

    def count(phase: str, information: Mapping[str, int]) -> None:
        found[fails] += information.get("collected", 0)

    errors = {}
    for fails in ("never", "query", "connection"):
        gc.collect()
        gc.callbacks.append(count)
        try:
            errors[fails] = run_slice(SliceTask(places, "fails", {"fails": fails}, load, 0)).errors
            gc.collect()
        finally:
            gc.callbacks.remove(count)
    assert errors["never"] == {}
    assert min(errors["query"]["division by zero"], errors["connection"]["connection lost"]) > 150
    assert max(found.values()) < found["never"] + 50


def test_a_broken_workload_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Gets, "session", lambda *_: 1 / 0)
    monkeypatch.setattr(worker, "find_workload", lambda name: _Gets())
    with pytest.raises(worker.CheckFailed, match="gets failed: ZeroDivisionError"):
        run_slice(SliceTask(places, "gets", {}, _LOAD, 0))
