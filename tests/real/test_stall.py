"""A stalled server in an open loop, measured by pgbench and by us: the same tail, the computed one.

Requests planned while the server stands still wait for the rest of the stall. So at a rate of R a
stall of S seconds makes R * (S - x) of them take longer than x. A tool that counts from the moment
of sending sees one slow request a client, and nothing of the others.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scalelab.load import worker
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure.histogram import Histogram
from scalelab.model import Load, Places
from scalelab.protocols import SessionContext
from tests.real import wheels

RATE, CLIENTS, DURATION_S, STALL_S = 1000, 8, 4, 1.0
ABOVE_S = (0.1, 0.25, 0.5, 0.75)
PATIENCE_S = 20.0
# The arrivals in the stall are Poisson: four standard deviations of their number.
SAMPLING = 4 * (RATE * STALL_S) ** 0.5
# After the stall what has piled up is worked off, which can only make it seem longer.
WORKED_OFF_S = 0.25

Longer = Callable[[float], float]


@dataclass
class Seen:
    """What a tool saw: how many requests took longer than so many seconds."""

    response: Longer
    service: Longer
    longest_s: float
    stall_s: float


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wheels.Server]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        pgbench(server, "-i", "-q", cwd=Path.cwd())
        yield server


def pgbench(server: wheels.Server, *arguments: str, cwd: Path) -> None:
    at = server.place.client
    command = [str(wheels.POSTGRES_BIN / "pgbench"), "-h", at.host, "-p", str(at.port)]
    subprocess.run(
        [*command, "-U", "lab", *arguments, "lab"],
        env={**os.environ, "PGPASSWORD": server.place.password},
        cwd=cwd,
        check=True,
        capture_output=True,
    )


def while_stalled(server: wheels.Server, program: str, drive: Callable[[], object]) -> float:
    """Drive; when the program has been at it for half a second, stop the server. The stall in s."""
    driven = (
        "SELECT count(*) FROM pg_stat_activity WHERE query_start > backend_start + interval '0.5 s'"
        f" AND application_name = '{program}'"
    )
    stalled: list[float] = []

    def stall() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while wheels.sql(server.place, driven) == [(0,)]:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        began = time.perf_counter()
        try:
            server.pause()
            time.sleep(STALL_S)
        finally:
            server.resume()
            stalled.append(time.perf_counter() - began)

    stalling = threading.Thread(target=stall)
    stalling.start()
    try:
        drive()
    finally:
        stalling.join()
    assert stalled, f"{program} never drove the server"
    return stalled[0]


def by_pgbench(server: wheels.Server, folder: Path) -> Seen:
    how = ("-n", "-S", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(DURATION_S))
    logged = ("-R", str(RATE), "--random-seed", "1", "--log", "--log-prefix", "times")
    stall_s = while_stalled(server, "pgbench", lambda: pgbench(server, *how, *logged, cwd=folder))
    (log,) = folder.glob("times.*")
    # Client, transaction, time from the schedule, script, epoch, its µs, and the schedule's lag.
    columns = np.loadtxt(log, usecols=(2, 6)) / 1e6
    response, lag = columns.T
    return Seen(longer(response), longer(response - lag), float(response.max()), stall_s)


class Selects:
    """What pgbench -S does."""

    summary, keys, distribution = "", 100_000, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        class Session:
            db = context.connect("postgres")

            async def operate(self) -> str:
                await self.db.execute("select", context.next_key() + 1)
                return "read"

        Session.db.prepare("select", "SELECT abalance FROM pgbench_accounts WHERE aid = $1")
        return Session()


def by_us(server: wheels.Server) -> Seen:
    load = Load(CLIENTS, float(RATE), DURATION_S, 0.0, 1)
    task = SliceTask({"postgres": server.place}, "selects", {}, load, 0)
    reports = []
    stall_s = while_stalled(server, "scalelab load", lambda: reports.append(run_slice(task)))
    (report,) = reports
    assert report.errors == {}
    response, service = (
        Histogram.decode(each["read"]) for each in (report.histograms, report.service)
    )
    return Seen(longer_in(response), longer_in(service), response.max / 1e6, stall_s)


def longer(seconds: NDArray[np.float64]) -> Longer:
    return lambda bound_s: float(np.sum(seconds > bound_s))


def longer_in(histogram: Histogram) -> Longer:
    def count(bound_s: float) -> float:
        bound = Histogram()
        bound.record(np.array([bound_s]))
        return float(histogram.counts[int(np.argmax(bound.counts)) + 1 :].sum())

    return count


def test_a_stall_shows_as_in_pgbench_and_as_computed(
    server: wheels.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "find_workload", lambda name: Selects())
    peer, ours = by_pgbench(server, tmp_path), by_us(server)
    slack = SAMPLING + RATE * WORKED_OFF_S
    for seen in (peer, ours):
        for bound_s in ABOVE_S:
            least = RATE * (STALL_S - bound_s) - SAMPLING
            most = RATE * (seen.stall_s - bound_s) + slack
            assert least <= seen.response(bound_s) <= most
        assert 0.98 * STALL_S <= seen.longest_s <= seen.stall_s + WORKED_OFF_S
        # From the moment of sending hardly any was slow: about one a client.
        assert seen.service(0.5) <= 2 * CLIENTS
    for bound_s in ABOVE_S:
        assert ours.response(bound_s) == pytest.approx(peer.response(bound_s), abs=slack)
