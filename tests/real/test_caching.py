"""The caching lab's workloads against real servers: is what each of them shows really there?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places, WorkerReport
from scalelab.workloads import (
    cached_page,
    expiring_price,
    hot_page,
    missing_page,
    product_page,
    raced_page,
)
from tests.real import wheels

# In a release's checks: 20 of 20.
_TRIALS = int(os.environ.get("SCALELAB_TRIALS", "3"))
_LOAD = Load(clients=16, rate=None, duration_s=1.0, warmup_s=0, seed=1)
_WORKLOADS = (product_page, hot_page, raced_page, cached_page, expiring_price, missing_page)
_RACE = {"write_share": 0.2, "slow_share": 0.2, "delay_ms": 20}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wheels.Server]:
    with wheels.valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def loaded(cache: wheels.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    counting = "shared_preload_libraries=pg_stat_statements"
    with wheels.postgres(tmp_path_factory.mktemp("postgres"), counting) as postgres:
        places = {"postgres": postgres.place, "redis": cache.place}
        for module in _WORKLOADS:
            module.WORKLOAD.load(places)
            module.WORKLOAD.load(places)  # again is harmless
        yield places


@pytest.fixture
def places(loaded: Places) -> Places:
    with wheels.cache(loaded["redis"]) as cache:
        cache.flushall()
    return loaded


def drive(places: Places, workload: str, load: Load = _LOAD, **options: object) -> WorkerReport:
    task = SliceTask(places, workload, options, load, 0)  # type: ignore[arg-type]
    report = run_slice(task)
    assert report.errors == {}
    return report


@pytest.mark.parametrize("seed", range(_TRIALS))
def test_a_slow_reader_makes_reads_stale_and_versions_cure_it(places: Places, seed: int) -> None:
    load = replace(_LOAD, seed=seed)
    raced = drive(places, "raced_page", load, **_RACE)
    assert raced.stale > 0
    with wheels.cache(places["redis"]) as cache:
        cache.flushall()
    cured = drive(places, "raced_page", load, **_RACE, fill="newer")
    assert cured.judged > 0
    assert cured.counts["hit"] > 0
    assert cured.stale == 0


def asked(places: Places, protect: str) -> float:
    """How often the database was asked for the hot page, an expiry."""
    load, ttl_s = replace(_LOAD, duration_s=2.0), 0.4
    drive(places, "hot_page", load, protect=protect, ttl_s=ttl_s)
    rate = hot_page.WORKLOAD.audit(places, load).figures["origin_rate"]
    return rate * ttl_s


@pytest.mark.parametrize("protect", ["single-flight", "lock"])
def test_one_asks_the_database_for_all(places: Places, protect: str) -> None:
    # Once an expiry, once in the beginning, perhaps once more at the end.
    assert 0 < asked(places, protect) <= 1.5


def test_without_protection_most_ask_at_once(places: Places) -> None:
    assert asked(places, "nothing") > 2


def test_early_expiry_never_lets_the_page_go(places: Places) -> None:
    load = replace(_LOAD, duration_s=2.0)
    report = drive(places, "hot_page", load, protect="early", ttl_s=0.4)
    assert report.counts["hit"] > 100 * report.counts.get("miss", 0)


@pytest.mark.parametrize(
    "strategy", ["aside", "read-through", "write-through", "write-behind", "refresh-ahead"]
)
def test_a_strategy_reads_and_writes_what_is_true(places: Places, strategy: str) -> None:
    report = drive(places, "cached_page", strategy=strategy, write_share=0.2, ttl_s=0.5)
    assert report.counts["read"] > 0
    assert report.counts["write"] > 0
    assert report.counts["hit"] > 0
    assert (report.counts.get("refresh", 0) > 0) == (strategy == "refresh-ahead")
    if strategy.startswith("write-"):
        assert report.judged > 0
        assert report.stale == 0


def test_the_database_counts_what_aside_asks_it(places: Places) -> None:
    report = drive(places, "cached_page", strategy="aside", write_share=0.2)
    queries = cached_page.WORKLOAD.audit(places, _LOAD).figures["origin_rate"] * _LOAD.duration_s
    told = report.counts["miss"] + report.counts["write"]
    # Before the count was set to zero, or under way at the end: a few a client.
    assert abs(queries - told) <= 3 * _LOAD.clients


def expired(places: Places, jitter: float) -> tuple[float, float]:
    """Queries a second, and the peak over their mean, of prices that were all cached at once."""
    load = replace(_LOAD, duration_s=2.6)
    drive(places, "expiring_price", load, ttl_s=1, jitter=jitter)
    figures = expiring_price.WORKLOAD.audit(places, load).figures
    return figures["origin_rate"], figures["origin_peak"]


def test_what_was_cached_at_once_expires_at_once_unless_chance_spreads_it(places: Places) -> None:
    (rate, peak), (spread_rate, spread_peak) = expired(places, 0), expired(places, 0.5)
    assert peak > 2 * spread_peak
    # Every price once a TTL, in waves or not.
    assert 0.5 < spread_rate / rate < 2
    assert rate < 2 * expiring_price.WORKLOAD.keys


def test_a_slice_without_a_reader_has_no_peak(places: Places) -> None:
    load = replace(_LOAD, clients=1)
    drive(places, "expiring_price", load)
    assert expiring_price.WORKLOAD.audit(places, load).figures == {}


def test_the_absence_of_a_page_is_asked_for_once(places: Places) -> None:
    def asked(**options: object) -> tuple[WorkerReport, float]:
        report = drive(places, "missing_page", missing_share=1, remember_s=60, **options)
        rate = missing_page.WORKLOAD.audit(places, _LOAD).figures["origin_rate"]
        return report, rate * _LOAD.duration_s

    report, queries = asked()
    assert "hit" not in report.counts
    assert abs(queries - report.counts["miss"]) <= 3 * _LOAD.clients
    report, queries = asked(remember=True)
    assert report.counts["hit"] > 0
    # At most a few at the same time ask for the same page.
    assert queries <= missing_page.WORKLOAD.keys + _LOAD.clients * 5
    assert queries < report.counts["read"] / 2


def test_a_cold_cache_is_empty_as_a_slice_begins(places: Places) -> None:
    warm = drive(places, "cached_page", write_share=0, ttl_s=600)
    again = drive(places, "cached_page", write_share=0, ttl_s=600)
    cold = drive(places, "cached_page", write_share=0, ttl_s=600, cold=True)

    def missed(report: WorkerReport) -> float:
        return report.counts["miss"] / report.counts["read"]

    assert missed(again) < missed(warm)
    assert missed(cold) > missed(again)


def test_what_is_written_behind_arrives(places: Places) -> None:
    drive(places, "cached_page", strategy="write-behind", write_share=0.9)
    with wheels.cache(places["redis"]) as cache:
        waiting = cache.lrange("unwritten", 0, -1)
        assert len(waiting) < 50
        behind = {int(each[1:-1].split(b",")[0]) for each in waiting}
        rows = wheels.sql(places["postgres"], "SELECT id, version, price FROM product")
        stored = {key: (version, price) for key, version, price in rows}
        entries = {key: cache.get(key) for key in range(500)}
    found = 0
    for key, entry in entries.items():
        if entry is None or key in behind:
            continue
        version, _, page = entry.partition(b"\n")
        assert stored[key][0] == int(version)
        assert f'"price" : {stored[key][1]},'.encode() in page
        found += 1
    assert found > 0


def test_without_its_cache_a_shop_with_a_way_round_goes_on(loaded: Places, tmp_path: Path) -> None:
    with wheels.valkey(tmp_path) as cache:
        places = {**loaded, "redis": cache.place}
        cache.kill()
        report = drive(places, "product_page", cache=True, fallback=True)
        assert report.counts["read"] > 0
        assert "hit" not in report.counts
        failing = run_slice(SliceTask(places, "product_page", {"cache": True}, _LOAD, 0))
    assert failing.counts.get("read", 0) == 0
    assert failing.errors
