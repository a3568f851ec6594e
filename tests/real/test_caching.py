"""The caching lab's workloads against real servers: is what each of them shows really there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from tests.real.flow import drive_until

_LOAD = Load(clients=16, rate=None, duration_s=1.0, warmup_s=0, seed=1)
_SHORT = replace(_LOAD, duration_s=0.4)
# Alone, so that what is counted in the database and what is told are the same operations.
_ALONE = replace(_SHORT, clients=1)
_TRIES = 20
_WORKLOADS = (product_page, hot_page, raced_page, cached_page, expiring_price, missing_page)
_RACE = {"write_share": 0.2, "slow_share": 0.5, "delay_ms": 50}


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


def drive(
    places: Places, workload: str, load: Load = _SHORT, *kinds: str, **options: object
) -> WorkerReport:
    """A slice without an error, which has operations of these kinds."""
    task = SliceTask(places, workload, options, load, 0)  # type: ignore[arg-type]
    report = drive_until(task, *kinds)
    assert report.errors == {}
    return report


def seen(look: Callable[[int], bool]) -> bool:
    """Whether a slice shows it; one after the other, each with another seed, is looked at."""
    return any(look(seed) for seed in range(_TRIES))


def origin(places: Places, module: Any, load: Load) -> float:
    """How many queries the database counted since the slice began."""
    rate = module.WORKLOAD.audit(places, load).figures["origin_rate"]
    return float(rate * (load.warmup_s + load.duration_s))


# --- races ---------------------------------------------------------------------------------------


@pytest.mark.labs
def test_a_slow_reader_makes_reads_stale(places: Places) -> None:
    def stale(seed: int) -> bool:
        return drive(places, "raced_page", replace(_LOAD, seed=seed), **_RACE).stale > 0

    assert seen(stale)


def test_versions_cure_the_slow_readers_race(places: Places) -> None:
    cured = drive(places, "raced_page", **_RACE, fill="newer")
    assert cured.judged > 0
    assert cured.stale == 0


@pytest.mark.labs
@pytest.mark.parametrize("seed", range(3))
def test_versions_cure_it_in_every_slice(places: Places, seed: int) -> None:
    cured = drive(places, "raced_page", replace(_LOAD, seed=seed), "hit", **_RACE, fill="newer")
    assert cured.stale == 0


# --- stampedes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protect", ["nothing", "single-flight", "lock", "early"])
def test_a_hot_page_is_read_however_it_is_protected(places: Places, protect: str) -> None:
    def asks(seed: int) -> bool:
        load = replace(_SHORT, clients=4, seed=seed)
        drive(places, "hot_page", load, "read", protect=protect)
        # The page may have been loaded before the first count of queries, and not again.
        return origin(places, hot_page, load) > 0

    assert seen(asks)


def asked(places: Places, protect: str, seed: int) -> tuple[float, int]:
    """How often the database was asked for the hot page, and how often a reader missed it."""
    load = replace(_LOAD, duration_s=2.0, seed=seed)
    report = drive(places, "hot_page", load, "miss", protect=protect, ttl_s=0.4)
    return origin(places, hot_page, load), report.counts["miss"]


@pytest.mark.labs
@pytest.mark.parametrize("protect", ["single-flight", "lock"])
def test_one_asks_the_database_for_all(places: Places, protect: str) -> None:
    def spared(seed: int) -> bool:
        queries, misses = asked(places, protect, seed)
        assert queries > 0
        return queries <= misses / 2

    assert seen(spared)


@pytest.mark.labs
def test_without_protection_most_ask_at_once(places: Places) -> None:
    def stampede(seed: int) -> bool:
        queries, misses = asked(places, "nothing", seed)
        # More than once an expiry, of which there are at most six; who misses asks.
        return queries > 2 * 6 and queries > misses / 2

    assert seen(stampede)


@pytest.mark.labs
def test_early_expiry_hardly_ever_lets_the_page_go(places: Places) -> None:
    def kept(seed: int) -> bool:
        load = replace(_LOAD, duration_s=2.0, seed=seed)
        report = drive(places, "hot_page", load, "hit", protect="early", ttl_s=0.4)
        return report.counts["hit"] > 100 * report.counts.get("miss", 0)

    assert seen(kept)


# --- strategies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy", ["aside", "read-through", "write-through", "write-behind", "refresh-ahead"]
)
def test_a_strategy_reads_and_writes_what_is_true(places: Places, strategy: str) -> None:
    kinds = ("read", "write", "hit")
    report = drive(places, "cached_page", _SHORT, *kinds, strategy=strategy, write_share=0.2)
    if strategy.startswith("write-"):
        assert report.judged > 0
        assert report.stale == 0


@pytest.mark.labs
@pytest.mark.parametrize("strategy", ["aside", "refresh-ahead"])
def test_who_refreshes_ahead_loads_what_nobody_waits_for(places: Places, strategy: str) -> None:
    def refreshed(seed: int) -> bool:
        load = replace(_LOAD, seed=seed)
        report = drive(places, "cached_page", load, strategy=strategy, ttl_s=0.5)
        return report.counts.get("refresh", 0) > 0

    assert seen(refreshed) is (strategy == "refresh-ahead")


def test_the_database_counts_what_aside_asks_it(places: Places) -> None:
    kinds = ("miss", "write")
    report = drive(places, "cached_page", _ALONE, *kinds, strategy="aside", write_share=0.2)
    told = report.counts["miss"] + report.counts["write"]
    # One may have been under way as the measured time began, and one at its end.
    assert 0 <= origin(places, cached_page, _ALONE) - told <= 2


# --- expiries ------------------------------------------------------------------------------------


def test_prices_are_read_and_the_count_of_queries_noted(places: Places) -> None:
    load = replace(_SHORT, clients=4)
    drive(places, "expiring_price", load, "read", "miss", "look", ttl_s=0.1, jitter=0.5)


@pytest.mark.labs
def test_what_was_cached_at_once_expires_at_once_unless_chance_spreads_it(places: Places) -> None:
    def peak(jitter: float, seed: int) -> float:
        load = replace(_LOAD, duration_s=2.6, seed=seed)
        drive(places, "expiring_price", load, ttl_s=1, jitter=jitter)
        return expiring_price.WORKLOAD.audit(places, load).figures["origin_peak"]

    assert seen(lambda seed: peak(0, seed) > 2 * peak(0.5, seed))


def test_a_slice_without_a_reader_has_no_peak(places: Places) -> None:
    drive(places, "expiring_price", _ALONE, ttl_s=0.1)
    assert expiring_price.WORKLOAD.audit(places, _ALONE).figures == {}


# --- what is not there ---------------------------------------------------------------------------


def test_the_absence_of_a_page_is_asked_for_once(places: Places) -> None:
    def asked(kind: str, **options: object) -> tuple[WorkerReport, float]:
        options |= {"missing_share": 1, "remember_s": 600}
        report = drive(places, "missing_page", _ALONE, kind, **options)
        return report, origin(places, missing_page, _ALONE)

    report, queries = asked("miss")
    assert "hit" not in report.counts
    assert 0 <= queries - report.counts["miss"] <= 2
    _, queries = asked("miss", remember=True)
    # Of each page once, however long it takes.
    assert 0 < queries <= missing_page.WORKLOAD.keys
    _, more = asked("hit", remember=True)
    assert queries + more <= missing_page.WORKLOAD.keys


def test_a_cold_cache_is_empty_as_a_slice_begins(places: Places) -> None:
    def there(**options: object) -> bool:
        with wheels.cache(places["redis"]) as cache:
            cache.set("of before", 1)
            drive(places, "cached_page", _ALONE, write_share=0, **options)
            return bool(cache.exists("of before"))

    assert there()
    assert not there(cold=True)


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
        report = drive(places, "product_page", _SHORT, "read", cache=True, fallback=True)
        assert "hit" not in report.counts
        failing = run_slice(SliceTask(places, "product_page", {"cache": True}, _SHORT, 0))
    assert failing.counts.get("read", 0) == 0
    assert failing.errors
