"""The hot loop against its peers, on one server, in interleaved pairs.

Run it from the repository's root: ``python -m benchmarks.hotloop [--pairs N] [--seconds S]``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scalelab.load.recorder import Recorder
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Place, Places, WorkerReport
from scalelab.protocols import SessionContext

Row = dict[str, str | float | bool]

_CLIENTS = 8
_SCALE = 5
_ACCOUNTS = 100_000 * _SCALE


class Peers:
    """The peers' own operations, as a workload: one kind, chosen by the option ``operation``."""

    summary, keys, distribution = "what pgbench and redis-benchmark do", _ACCOUNTS, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> tuple[int, ...]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        sessions = {"select": _Select, "update": _Update, "get": _Get, "ping": _Ping}
        return sessions[options["operation"]](context)


WORKLOAD = Peers()


class _Select:
    def __init__(self, context: SessionContext) -> None:
        self.next_key, self.db = context.next_key, context.connect("postgres")
        self.db.prepare("select", "SELECT abalance FROM pgbench_accounts WHERE aid = $1")

    async def operate(self) -> str:
        row = await self.db.execute("select", self.next_key() + 1)
        assert row.get_value(0, 0) is not None
        return "operation"


class _Update:
    """pgbench's simple-update, statement by statement."""

    def __init__(self, context: SessionContext) -> None:
        self.next_key, self.chance = context.next_key, context.random.random
        self.db = context.connect("postgres")
        history = "pgbench_history (tid, bid, aid, delta, mtime)"
        for name, sql in {
            "begin": "BEGIN",
            "update": "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
            "select": "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
            "insert": f"INSERT INTO {history} VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
            "end": "END",
        }.items():
            self.db.prepare(name, sql)

    async def operate(self) -> str:
        execute, chance = self.db.execute, self.chance
        account, delta = self.next_key() + 1, int(10_001 * chance()) - 5000
        await execute("begin")
        await execute("update", delta, account)
        await execute("select", account)
        teller, branch = 1 + int(10 * _SCALE * chance()), 1 + int(_SCALE * chance())
        await execute("insert", teller, branch, account, delta)
        await execute("end")
        return "operation"


class _Get:
    def __init__(self, context: SessionContext) -> None:
        self.cache = context.connect("redis")

    async def operate(self) -> str:
        # The one key redis-benchmark asks for by default.
        await self.cache.get("key:__rand_int__")
        return "operation"


class _Ping:
    def __init__(self, context: SessionContext) -> None:
        self.cache = context.connect("redis")

    async def operate(self) -> str:
        await self.cache.execute("PING")
        return "operation"


def rows(pairs: int = 5, seconds: float = 3.0) -> Iterator[Row]:
    """The comparisons, each as it is done.

    Parameters
    ----------
    pairs : how many times ours and the peer take turns; the ratio is their median.
    seconds : how long one turn takes.
    """
    # Imported here: a worker that loads this file for its workload needs no servers.
    from tests.real import wheels

    with (
        tempfile.TemporaryDirectory() as base,
        wheels.postgres(_folder(base, "postgres")) as postgres,
        wheels.valkey(_folder(base, "valkey")) as cache,
    ):
        places = {"postgres": postgres.place, "redis": cache.place}
        pgbench = _Pgbench(wheels.POSTGRES_BIN / "pgbench", postgres.place, seconds)
        pgbench.initialize()
        with wheels.cache(cache.place) as client:
            client.set("key:__rand_int__", "xxx")

        def ours(operation: str) -> Callable[[], float]:
            return lambda: _per_second(_slice(places, operation, seconds))

        peer = "pgbench -M prepared"
        yield _pairs(f"select vs {peer} -S", ours("select"), pgbench.select, pairs, 0.8)
        yield _pairs(f"simple-update vs {peer} -N", ours("update"), pgbench.update, pairs, 0.9)
        if shutil.which("redis-benchmark"):
            get = _redis_benchmark(cache.place, seconds)
            yield _pairs("GET vs redis-benchmark -P 1", ours("get"), get, pairs, 0.9)
        else:
            print("redis-benchmark is not on PATH: not compared", file=sys.stderr)
        yield _recording(_slice(places, "ping", seconds))


def _slice(places: Places, operation: str, seconds: float) -> WorkerReport:
    load = Load(_CLIENTS, None, seconds, 0.3, time.time_ns() % 2**32)
    report = run_slice(SliceTask(places, __file__, {"operation": operation}, load, 0))
    assert not report.errors, report.errors
    return report


def _per_second(report: WorkerReport) -> float:
    return report.counts["operation"] / report.elapsed_s


class _Pgbench:
    def __init__(self, program: Path, place: Place, seconds: float) -> None:
        self._program, self._seconds = program, max(1, round(seconds))
        at = ["-h", place.client.host, "-p", str(place.client.port), "-U", "lab", "lab"]
        self._at, self._env = at, {**os.environ, "PGPASSWORD": place.password}

    def initialize(self) -> None:
        self._run("-i", "-q", "-s", str(_SCALE))

    def select(self) -> float:
        return self._tps("-S")

    def update(self) -> float:
        return self._tps("-N")

    def _tps(self, script: str) -> float:
        how = ("-n", "-M", "prepared", "-c", str(_CLIENTS), "-j", "1", "-T", str(self._seconds))
        line = next(x for x in self._run(script, *how).splitlines() if x.startswith("tps = "))
        return float(line.split()[2])

    def _run(self, *arguments: str) -> str:
        command = [str(self._program), *arguments, *self._at]
        return subprocess.run(
            command, env=self._env, check=True, capture_output=True, text=True
        ).stdout


def _redis_benchmark(place: Place, seconds: float) -> Callable[[], float]:
    at = ["-h", place.client.host, "-p", str(place.client.port), "-a", place.password]
    # It takes a number of requests, not a time: what was done last tells how many.
    requests = 100_000

    def run() -> float:
        nonlocal requests
        how = ["-t", "get", "-c", str(_CLIENTS), "-P", "1", "-n", str(requests), "--csv"]
        done = subprocess.run(
            ["redis-benchmark", *at, *how], check=True, capture_output=True, text=True
        )
        rate = float(done.stdout.splitlines()[-1].split(",")[1].strip('"'))
        requests = max(10_000, int(rate * seconds))
        return rate

    return run


def _pairs(
    name: str, ours: Callable[[], float], peer: Callable[[], float], pairs: int, target: float
) -> Row:
    done = []
    for number in range(pairs):
        # Who comes first takes turns, so that drift favours neither.
        if number % 2:
            theirs, own = peer(), ours()
        else:
            own, theirs = ours(), peer()
        done.append((own, theirs))
    ratio = statistics.median(own / theirs for own, theirs in done)
    own, theirs = (statistics.median(each) for each in zip(*done, strict=True))
    return _row(name, own, theirs, "1/s", ratio, target, ratio >= target)


def _recording(noop: WorkerReport) -> Row:
    """What recording a latency costs, against the CPU time of a request that does nothing."""
    request_ns = 1e9 * noop.cpu_share * noop.elapsed_s / noop.counts["operation"]
    record_ns = statistics.median(_record_ns() for _ in range(5))
    ratio = record_ns / request_ns
    name = "recording a latency vs a no-op request"
    return _row(name, record_ns, request_ns, "ns", ratio, 0.05, ratio < 0.05)


def _record_ns(batches: int = 200, size: int = 1500) -> float:
    """Nanoseconds a latency takes: read the clock, append, and its share of the flush."""
    recorder, clock = Recorder(), time.perf_counter
    recorder.start(clock())
    response, kind = recorder.response, "operation"
    spread = array("d", (1e-5 * (n % 97) for n in range(size)))
    start = last = clock()
    for _ in range(batches):
        for latency in spread:
            ended = clock()
            response[kind].append(ended - last + latency)
            last = ended
        recorder.flush()
    total = clock() - start
    start = clock()
    for _ in range(batches):
        for _latency in spread:
            pass
    return 1e9 * (total - (clock() - start)) / (batches * size)


def _row(
    name: str, ours: float, peer: float, unit: str, ratio: float, target: float, ok: bool
) -> Row:
    return {
        "name": name,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "unit": unit,
        "ratio": round(ratio, 3),
        "target": target,
        "ok": ok,
    }


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
        figures = f"{row['ours']:>12,.1f} {row['peer']:>12,.1f} {row['unit']:<4}"
        print(f"{row['name']:<40} {figures} {row['ratio']:.3f} (target {row['target']}) {mark}")
        missed += not row["ok"]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
