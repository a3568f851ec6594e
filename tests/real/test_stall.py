"""A stalled server in an open loop, measured by pgbench and by us: the same tail, the computed one.

Requests planned while the server stands still wait for the rest of the stall. So of those planned
more than x before its end, each takes longer than x. A tool that counts from the moment of sending
sees one slow request a client, and nothing of the others.

Nothing here is expected of the machine: how long the stall was, when each request was planned and
when the backlog was gone is told by the run itself, and bounds what may be seen.
"""

from __future__ import annotations

import multiprocessing
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

from scalelab.load import schedule, worker
from scalelab.load.loop import now
from scalelab.load.shared import Shared
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure.histogram import Histogram
from scalelab.model import Load, Places
from scalelab.protocols import SessionContext
from tests.real import wheels
from tests.real.flow import probing, until

pytestmark = pytest.mark.timing

RATE, CLIENTS, DURATION_S, STALL_S = 1000, 8, 4, 1.0
ABOVE_S = (0.1, 0.25, 0.5, 0.75)
# A histogram keeps three digits, and pgbench's log whole microseconds.
DIGITS = 0.002

Longer = Callable[[float], float]
Floats = NDArray[np.float64]


@dataclass
class Stall:
    """When the server did nothing, by the clock that was asked for.

    Parameters
    ----------
    asked, still : the word to stand still, and when it surely did.
    woken, awake : the word to go on, and when all of it surely could.
    late_s : how late the machine woke a thread at worst, all the while.
    """

    asked: float = 0.0
    still: float = 0.0
    woken: float = 0.0
    awake: float = 0.0
    late_s: float = 0.0


@dataclass
class Seen:
    """What a tool saw: how many requests took longer than so many seconds.

    Parameters
    ----------
    planned, finished : when all its requests were, on the clock of its stall.
    """

    response: Longer
    service: Longer
    longest_s: float
    planned: Floats
    finished: Floats
    stall: Stall


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


def while_stalled(
    server: wheels.Server, program: str, clock: Callable[[], float], drive: Callable[[], object]
) -> Stall:
    """Drive; when the program has been at it for half a second, stop the server for a while."""
    driven = (
        "SELECT count(*) FROM pg_stat_activity WHERE query_start > backend_start + interval '0.5 s'"
        f" AND application_name = '{program}'"
    )
    stall = Stall()

    def stop() -> None:
        until(lambda: wheels.sql(server.place, driven) != [(0,)])
        stall.asked = clock()
        try:
            server.pause()
            stall.still = clock()
            time.sleep(STALL_S)
        finally:
            stall.woken = clock()
            server.resume()
            stall.awake = clock()

    stopping = threading.Thread(target=stop)
    with probing() as probe:
        stopping.start()
        try:
            drive()
        finally:
            stopping.join()
    assert stall.awake, f"{program} never drove the server"
    stall.late_s = probe.worst_s
    return stall


def by_pgbench(server: wheels.Server, folder: Path) -> Seen:
    how = ("-n", "-S", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(DURATION_S))
    logged = ("-R", str(RATE), "--random-seed", "1", "--log", "--log-prefix", "times")
    run = lambda: pgbench(server, *how, *logged, cwd=folder)  # noqa: E731
    stall = while_stalled(server, "pgbench", time.time, run)
    (log,) = folder.glob("times.*")
    # Client, transaction, time from the schedule, script, epoch, its µs, and the schedule's lag.
    took, seconds, micros, lag = np.loadtxt(log, usecols=(2, 4, 5, 6)).T
    response, lag, finished = took / 1e6, lag / 1e6, seconds + micros / 1e6
    return Seen(
        response=longer(response),
        service=longer(response - lag),
        longest_s=float(response.max()),
        planned=finished - response,
        finished=finished,
        stall=stall,
    )


class Selects:
    """What pgbench -S does."""

    summary, keys, distribution = "", 100_000, "uniform"

    def __init__(self) -> None:
        self.finished: list[float] = []

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        finished = self.finished

        class Session:
            db = context.connect("postgres")

            async def operate(self) -> str:
                await self.db.execute("select", context.next_key() + 1)
                finished.append(now())
                return "read"

        Session.db.prepare("select", "SELECT abalance FROM pgbench_accounts WHERE aid = $1")
        return Session()


def by_us(server: wheels.Server, monkeypatch: pytest.MonkeyPatch) -> Seen:
    load = Load(CLIENTS, float(RATE), DURATION_S, 0.0, 1)
    task = SliceTask({"postgres": server.place}, "selects", {}, load, 0)
    selects, reports = Selects(), []
    monkeypatch.setattr(worker, "find_workload", lambda name: selects)
    shared = Shared(multiprocessing.get_context("spawn"), 1)
    shared.adopt()  # it tells when the slice began
    try:
        drive = lambda: reports.append(run_slice(task))  # noqa: E731
        stall = while_stalled(server, "scalelab load", now, drive)
    finally:
        Shared.leave()
    (report,), began = reports, shared.begun()
    assert began is not None
    assert report.errors == {}
    assert report.unsent == 0
    seed = (load.seed, worker._ARRIVALS, 0)
    arrivals = schedule.arrivals(load.arrivals, schedule.parts(load), seed)
    planned = began + np.array([at for at, part in arrivals if part])
    response, service = (
        Histogram.decode(each["read"]) for each in (report.histograms, report.service)
    )
    assert response.total == len(planned)
    return Seen(
        response=longer_in(response),
        service=longer_in(service),
        longest_s=response.max / 1e6,
        planned=planned,
        finished=np.array(selects.finished),
        stall=stall,
    )


def longer(seconds: NDArray[np.float64]) -> Longer:
    return lambda bound_s: float(np.sum(seconds > bound_s))


def longer_in(histogram: Histogram) -> Longer:
    def count(bound_s: float) -> float:
        bound = Histogram()
        bound.record(np.array([bound_s]))
        return float(histogram.counts[int(np.argmax(bound.counts)) + 1 :].sum())

    return count


@pytest.mark.parametrize("tool", ["pgbench", "scalelab"])
def test_a_stall_shows_as_computed(
    server: wheels.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    seen = by_pgbench(server, tmp_path) if tool == "pgbench" else by_us(server, monkeypatch)
    planned, stall = seen.planned, seen.stall
    # First come, first served: once so many have finished as were planned by then, and one a
    # client more, all of them have.
    served = int((planned <= stall.awake).sum()) + CLIENTS
    gone = np.sort(seen.finished)[min(served, len(seen.finished)) - 1]
    # What waited for less may have waited for the machine.
    visible_s = gone - stall.awake + stall.late_s
    bounds_s = [bound_s for bound_s in ABOVE_S if bound_s > visible_s]
    worked_off = f"{gone - stall.awake:.2f} s to work it off, {stall.late_s:.2f} s late at worst"
    assert bounds_s, f"this machine is too busy to measure a stall: {worked_off}"
    for bound_s in bounds_s:
        within = (planned >= stall.still) & (planned < stall.woken - bound_s * (1 + DIGITS))
        near = (planned >= stall.asked - stall.late_s) & (planned <= gone - bound_s * (1 - DIGITS))
        # Those that were under way as it began were planned before.
        assert within.sum() <= seen.response(bound_s) <= near.sum() + CLIENTS
    first = planned[planned >= stall.still].min()
    assert stall.woken - first <= seen.longest_s * (1 + DIGITS)
    assert seen.longest_s * (1 - DIGITS) <= gone - stall.asked + stall.late_s
    # From the moment of sending hardly any was slow: about one a client.
    assert seen.service(bounds_s[-1]) <= 2 * CLIENTS
