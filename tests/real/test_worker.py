"""A worker's slice against real servers: does it count what happened, and do its sessions go on?"""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from scalelab import sql
from scalelab.load import schedule, worker
from scalelab.load.keys import Keys
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure.histogram import Histogram
from scalelab.model import Load, Places, WorkerReport
from scalelab.protocols import SessionContext
from scalelab.workloads import _shop, insert_write, point_read_write, product_page
from tests.real import wheels
from tests.real.flow import Asks, drive_until, drive_while, until

_LOAD = Load(clients=8, rate=None, duration_s=0.8, warmup_s=0.2, seed=1)
# Ended by what happens, long before that.
_ENDLESS = replace(_LOAD, duration_s=600.0, warmup_s=0)


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


def empty_cache(places: Places) -> None:
    with wheels.cache(places["redis"]) as cache:
        cache.flushall()


def unended(report: WorkerReport) -> int:
    """How many were under way as a slice was ended, a client one at most."""
    found = report.errors.get("no answer", 0)
    assert found <= _LOAD.clients
    return found


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
    report = drive_until(SliceTask(places, workload, options, _LOAD, 0), *kinds)
    assert set(report.counts) == kinds
    assert report.errors == {}
    operations = {kind: report.counts[kind] for kind in report.histograms}
    for kind, encoded in report.histograms.items():
        assert Histogram.decode(encoded).total == operations[kind]
        assert Histogram.decode(encoded).percentile(50) > 20
    assert report.planned == sum(operations.values())
    # All but the warm-up is measured.
    assert sum(map(sum, report.timeline.values())) >= report.planned
    assert report.histograms == report.service
    assert report.cpu_share > 0
    assert report.unsent == 0


def test_rows_written_are_writes_counted(places: Places) -> None:
    def rows() -> int:
        return int(str(wheels.sql(places["postgres"], "SELECT count(*) FROM event")[0][0]))

    before = rows()
    load = replace(_LOAD, warmup_s=0)
    report = run_slice(SliceTask(places, "insert_write", {}, load, 0))
    # Not counted: those before the measured time begins and those under way at its end, at most
    # one a client each.
    assert 0 <= rows() - before - report.counts.get("write", 0) <= 2 * load.clients


def test_without_a_defect_no_read_is_stale(places: Places) -> None:
    for workload in ("product_page", "point_read_write"):
        task = SliceTask(places, workload, {"write_share": 0.3}, _LOAD, 0)
        report = run_slice(task)
        # Judged are also those under way as the measured time begins and ends.
        assert abs(report.judged - report.counts["read"]) <= 2 * _LOAD.clients
        assert report.stale == 0
    alone = replace(_LOAD, clients=1)
    # What was cached before knows nothing of the writes above, which went past the cache.
    empty_cache(places)
    # One client cannot race against itself: cache-aside is exact.
    task = SliceTask(places, "product_page", {"cache": True}, alone, 0)
    report = drive_until(task, "hit")
    assert (report.stale, report.stale_max_age_ms) == (0, 0)


def test_a_cached_value_that_is_not_deleted_is_found_stale(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shop.CachingCustomer, "write", _shop.Customer.write)
    alone = replace(_LOAD, clients=1, seed=7)
    report = run_slice(SliceTask(places, "product_page", {"cache": True}, alone, 0))
    empty_cache(places)
    assert 0 < report.stale < report.judged
    assert report.stale_max_age_ms > 0


def test_only_own_keys_are_judged(places: Places) -> None:
    # One session, so that what it reads, and in which order, is known.
    load = replace(_LOAD, workers=2, clients=2, warmup_s=0)
    report = run_slice(SliceTask(places, "point_read_write", {"write_share": 0}, load, 1))
    keys = Keys(point_read_write.WORKLOAD.keys, point_read_write.WORKLOAD.distribution)
    drawn = islice(keys.stream((load.seed, worker._READ_KEYS, 1)), report.counts["read"] + 2)
    own = sum(key % 2 for key in drawn)
    # It may have read one more before the measured time began, and one after.
    assert 0 < own - 2 <= report.judged <= own


def test_killed_backends_are_counted_and_sessions_go_on(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = Asks("postgres")

    def kill() -> None:
        asks.goes_on(_LOAD.clients)
        others = "application_name = 'scalelab load'"
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        assert len(wheels.sql(places["postgres"], end)) == _LOAD.clients
        until(lambda: len(asks.failed) == _LOAD.clients)
        asks.goes_on(_LOAD.clients)

    report = drive_while(asks.task(places, _ENDLESS, monkeypatch), kill)
    assert list(asks.failed.values()) == [["connection lost"]] * _LOAD.clients
    assert report.errors["connection lost"] == _LOAD.clients
    assert set(report.errors) <= {"connection lost", "no answer"}
    unended(report)


def test_an_overloaded_open_loop_says_what_was_never_sent(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = Asks("redis")
    load = replace(_LOAD, clients=1, rate=200_000.0)
    report = run_slice(asks.task(places, load, monkeypatch))
    parts = schedule.parts(load)
    drawn = schedule.arrivals(load.arrivals, parts, (load.seed, worker._ARRIVALS, 0))
    assert report.planned == sum(part for _, part in drawn)
    assert report.unsent > 0
    sent = sum(Histogram.decode(each).total for each in report.histograms.values())
    assert sent + report.unsent + sum(report.errors.values()) == report.planned


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_requests_never_answered_are_counted(
    servers: dict[str, wheels.Server],
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    rate: float | None,
) -> None:
    asks, load = Asks("redis"), replace(_LOAD, warmup_s=0, rate=rate)
    # In the loop, before the third request of the first client who comes to it.
    asks.asking = lambda asked: servers["redis"].pause() if asked == 2 * load.clients else None
    try:
        report = run_slice(asks.task(places, load, monkeypatch))
    finally:
        servers["redis"].resume()
    assert report.errors == {"no answer": load.clients}
    if rate is not None:
        done = Histogram.decode(report.histograms["read"]).total
        assert done + report.unsent + load.clients == report.planned


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_a_request_is_given_up_after_its_time(
    servers: dict[str, wheels.Server],
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
) -> None:
    # Nothing is given up but in the outage, however busy the machine is.
    monkeypatch.setattr(worker, "ANSWER_S", 600.0)
    asks, server = Asks(service), servers[service]

    def outage() -> None:
        asks.goes_on(_LOAD.clients)
        server.pause()
        try:
            monkeypatch.setattr(worker, "ANSWER_S", 0.3)
            # The request itself, and then an attempt to connect.
            until(lambda: all(len(asks.failed[number]) >= 2 for number in range(_LOAD.clients)))
            monkeypatch.setattr(worker, "ANSWER_S", 600.0)
        finally:
            server.resume()
        asks.goes_on(_LOAD.clients)

    report = drive_while(asks.task(places, _ENDLESS, monkeypatch), outage)
    for kinds in asks.failed.values():
        assert kinds == ["time-out", *["cannot connect"] * (len(kinds) - 1)]
    kinds = Counter(kind for failed in asks.failed.values() for kind in failed)
    unended(report)
    report.errors.pop("no answer", None)
    assert report.errors == kinds
    assert kinds["time-out"] == _LOAD.clients


def test_after_an_outage_all_sessions_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = Asks("redis")
    with wheels.valkey(tmp_path) as server:

        def outage() -> None:
            asks.goes_on(_LOAD.clients)
            server.kill()
            until(lambda: all(len(asks.failed[number]) >= 4 for number in range(_LOAD.clients)))
            server.start()
            asks.goes_on(_LOAD.clients)

        task = asks.task({"redis": server.place}, _ENDLESS, monkeypatch)
        report = drive_while(task, outage)
    for kinds in asks.failed.values():
        assert kinds == ["connection lost", *["cannot connect"] * (len(kinds) - 1)]
    assert report.errors["connection lost"] == _LOAD.clients
    unended(report)


class _Failing(Asks):
    """Every second operation fails: by an error of a server, or by a connection that ends."""

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        fails, names = options["fails"], itertools.cycle(["bad", "good"])
        db, cache = context.connect("postgres"), context.connect("redis")
        db.prepare("good", "SELECT 1")
        db.prepare("bad", "SELECT 1 / 0" if fails == "query" else "SELECT 1")

        class Session:
            async def operate(_) -> str:  # noqa: N805 (self is the workload)
                self.asked += 1
                name = next(names)
                await db.execute(name)
                await cache.execute("QUIT" if (fails, name) == ("connection", "bad") else "PING")
                return "read"

        return Session()


def test_failures_leave_nothing_for_the_garbage_collector(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is off while a slice runs: what only it could free would grow with the slice's length.
    found: Counter[str] = Counter()

    def count(phase: str, information: Mapping[str, int]) -> None:
        found[fails] += information.get("collected", 0)

    errors = {}
    for fails in ("never", "query", "connection"):
        failing = _Failing("both")
        task = replace(failing.task(places, _ENDLESS, monkeypatch), options={"fails": fails})
        gc.collect()
        gc.callbacks.append(count)
        try:
            report = drive_while(task, lambda: until(lambda: failing.asked > 600))  # noqa: B023
            gc.collect()
        finally:
            gc.callbacks.remove(count)
        unended(report)
        errors[fails] = report.errors
    assert set(errors["never"]) <= {"no answer"}
    # Of two operations one; but not those under way, nor those before the measured time began.
    least = 300 - 2 * _LOAD.clients
    assert errors["query"]["division by zero"] >= least
    assert errors["connection"]["connection lost"] >= least
    assert max(found.values()) < found["never"] + 50


def test_a_broken_workload_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = Asks("redis")
    monkeypatch.setattr(asks, "session", lambda *_: 1 / 0)
    with pytest.raises(worker.CheckFailed, match="asks failed: ZeroDivisionError"):
        run_slice(asks.task(places, _LOAD, monkeypatch))


def test_a_session_that_breaks_is_told_by_its_exception_alone(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    def lose() -> None:
        with sql.connect(places["postgres"]) as session:
            session.execute("SELECT 1")
            backend = session.info.backend_pid
            wheels.sql(places["postgres"], f"SELECT pg_terminate_backend({backend}, 10000)")
            raise TimeoutError

    with pytest.raises(TimeoutError):
        lose()
    assert caplog.text == ""
