"""The hot loop against its peers, on one server, in interleaved pairs.

Run it from the repository's root: ``python -m benchmarks.hotloop [--pairs N] [--seconds S]``.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from benchmarks import pairs, workload
from benchmarks.pairs import Row
from benchmarks.peers import CLIENTS, Locust, Pgbench, RedisBenchmark
from scalelab.load.recorder import Recorder
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Place, Places, WorkerReport
from tests.real import wheels


def rows(count: int = 5, seconds: float = 3.0) -> Iterator[Row]:
    """The comparisons, each as it is done.

    Parameters
    ----------
    count : how many times ours and the peer take turns; the ratio is their median.
    seconds : how long one turn takes.
    """
    with (
        tempfile.TemporaryDirectory() as base,
        wheels.postgres(_folder(base, "postgres")) as postgres,
        wheels.valkey(_folder(base, "valkey")) as cache,
    ):
        places = {"postgres": postgres.place, "redis": cache.place}
        pgbench = Pgbench(wheels.POSTGRES_BIN / "pgbench", postgres.place, seconds)
        pgbench.initialize()
        _fill(cache.place)

        def ours(operation: str) -> Callable[[], float]:
            return lambda: _per_second(_slice(places, operation, seconds))

        peer = "pgbench -M prepared"
        yield pairs.compare(f"select vs {peer} -S", ours("select"), pgbench.select, count, 0.8)
        name = f"simple-update vs {peer} -N"
        yield pairs.compare(name, ours("update"), pgbench.update, count, 0.9)
        yield from _with_cache(cache.place, pgbench, ours, count, seconds)
        yield _locust(postgres.place, count, seconds)
        yield _recording(_slice(places, "ping", seconds))


def _with_cache(
    place: Place,
    pgbench: Pgbench,
    ours: Callable[[str], Callable[[], float]],
    count: int,
    seconds: float,
) -> Iterator[Row]:
    get = ("GET vs redis-benchmark -P 1", 0.9)
    aside = (f"cache-aside, {workload.HIT_SHARE:.0%} hits vs what the peers' rates allow", 0.6)
    if why := RedisBenchmark.missing():
        yield pairs.missing(*get, why)
        yield pairs.missing(*aside, why)
        return
    redis = RedisBenchmark(place, seconds)

    def allowed() -> float:
        """A read takes one GET; one that misses takes a select and a SET besides."""
        miss = 1 / pgbench.select() + 1 / redis.set()
        return 1 / (1 / redis.get() + (1 - workload.HIT_SHARE) * miss)

    yield pairs.compare(get[0], ours("get"), redis.get, count, get[1])
    yield pairs.compare(aside[0], ours("cache-aside"), allowed, count, aside[1])


def _locust(place: Place, count: int, seconds: float) -> Row:
    name, target = "select, 1/s of generator CPU, vs Locust with psycopg", 4
    if why := Locust.missing():
        return pairs.missing(name, target, why)
    with pairs.part_of_a_core() as held:
        # A fast generator outruns the server's core and waits for it; one that is held to part of
        # a core is always busy, so that its CPU time is what a request costs it.
        locust = Locust(place, seconds, held)
        ours = partial(_held, held, {"postgres": place}, seconds)
        return pairs.compare(name, ours, locust.select, count, target)


def _held(held: list[str], places: Places, seconds: float) -> float:
    code = "from benchmarks.hotloop import one_slice; one_slice()"
    given = pickle.dumps((places, seconds))
    done = subprocess.run(
        [*held, sys.executable, "-c", code], input=given, stdout=subprocess.PIPE, check=True
    )
    return float(done.stdout)


def one_slice() -> None:
    """Selects in a second of this process's CPU time, by what comes on stdin, to stdout."""
    places, seconds = pickle.load(sys.stdin.buffer)
    report = _slice(places, "select", seconds)
    print(_per_second(report) / report.cpu_share)


def _fill(place: Place) -> None:
    with wheels.cache(place) as client:
        client.set("key:__rand_int__", "xxx")
        client.mset({str(account): "0" for account in range(1, workload.WARM + 1)})


def _slice(places: Places, operation: str, seconds: float) -> WorkerReport:
    load = Load(CLIENTS, None, seconds, 0.3, time.time_ns() % 2**32)
    options = {"operation": operation}
    report = run_slice(SliceTask(places, workload.__file__, options, load, 0))
    assert not report.errors, report.errors
    if operation == "cache-aside":
        hits = report.counts["hit"] / (report.counts["hit"] + report.counts["miss"])
        assert hits == pytest.approx(workload.HIT_SHARE, abs=0.005), hits
    return report


def _per_second(report: WorkerReport) -> float:
    return report.counts["operation"] / report.elapsed_s


def _recording(noop: WorkerReport) -> Row:
    """What recording a latency costs, against the CPU time of a request that does nothing."""
    request_ns = 1e9 * noop.cpu_share * noop.elapsed_s / noop.counts["operation"]
    record_ns = statistics.median(_record_ns() for _ in range(5))
    ratio = record_ns / request_ns
    name = "recording a latency vs a no-op request"
    return pairs.row(name, record_ns, request_ns, "ns", ratio, "<= 0.05", ratio < 0.05)


def _record_ns(batches: int = 200, size: int = 1500) -> float:
    """CPU nanoseconds a latency takes: read the clock, append, and its share of the flush."""
    recorder, clock, cpu = Recorder(), time.perf_counter, time.process_time
    recorder.start(clock())
    response, kind = recorder.response, "operation"
    spread = array("d", (1e-5 * (n % 97) for n in range(size)))
    start, last = cpu(), clock()
    for _ in range(batches):
        for latency in spread:
            ended = clock()
            response[kind].append(ended - last + latency)
            last = ended
        recorder.flush()
    total = cpu() - start
    start = cpu()
    for _ in range(batches):
        for _latency in spread:
            pass
    return 1e9 * (total - (cpu() - start)) / (batches * size)


def _folder(base: str, name: str) -> Path:
    folder = Path(base) / name
    folder.mkdir()
    return folder


def main() -> int:
    """Print each row as it is done; 1 when one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    asked = parser.parse_args()
    missed = 0
    for row in rows(asked.pairs, asked.seconds):
        mark = "ok" if row["ok"] else "MISSED"
        figures = "" if row["ours"] is None else f"{row['ours']:>12,.1f} {row['peer']:>12,.1f} "
        print(
            f"{row['name']:<58} {figures}{row['unit']:<4} {row['ratio']} ({row['target']}) {mark}",
            flush=True,
        )
        missed += not row["ok"]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
