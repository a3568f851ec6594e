"""Worker processes: they work together, stop when told to, and never outlive their parent."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from scalelab.errors import CheckFailed, WorkerLost
from scalelab.load.pool import Pool
from scalelab.load.schedule import arrivals, parts
from scalelab.load.worker import _ARRIVALS
from scalelab.measure.histogram import Histogram
from scalelab.model import Load, Places, WorkerReport
from scalelab.workloads import insert_write
from tests.real import wheels

_LOAD = Load(clients=5, rate=None, duration_s=0.6, warmup_s=0.2, seed=1, workers=2)

# A program that drives a long slice, given the places in a file.
_PROGRAM = """
import pickle, signal, sys
from pathlib import Path
from scalelab.load.pool import Pool
from scalelab.model import Load

if __name__ == "__main__":
    def interrupt(number, frame):
        print("heard", flush=True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    places = pickle.loads(Path(sys.argv[1]).read_bytes())
    said = []

    def progress(completed):
        if completed and not said:
            said.append(print("up", flush=True))

    try:
        with Pool(2) as pool:
            pool.run(places, "insert_write", {}, Load(4, None, 60.0, 0.0, 1, 2), progress)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wheels.Server]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        insert_write.WORKLOAD.load({"postgres": server.place})
        yield server


@pytest.fixture
def places(server: wheels.Server) -> Places:
    return {"postgres": server.place}


@pytest.fixture
def program(tmp_path: Path, places: Places) -> Iterator[subprocess.Popen[str]]:
    """The program in the middle of its slice."""
    script, data = tmp_path / "program.py", tmp_path / "places"
    script.write_text(_PROGRAM)
    data.write_bytes(pickle.dumps(places))
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen(
        [sys.executable, str(script), str(data)],
        env=path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def workers_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children(recursive=True) if _is_worker(child)]


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it has just ended
        return False


def gone(processes: list[psutil.Process], timeout_s: float) -> bool:
    return not psutil.wait_procs(processes, timeout_s)[1]


def writing(
    pool: Pool, places: Places, progress: Callable[[int], None] = lambda completed: None
) -> Sequence[WorkerReport]:
    """A slice in which every worker has written: on a busy machine not the first, it may be."""
    for _ in range(100):
        reports = pool.run(places, "insert_write", {}, _LOAD, progress)
        if all(report.counts.get("write", 0) > 0 for report in reports):
            return reports
    raise AssertionError("a worker never writes")


def test_clients_and_work_are_spread_over_the_workers(places: Places) -> None:
    seen: list[int] = []
    with Pool(2) as pool:
        mine = workers_of(os.getpid())
        assert len(mine) == 2
        for _ in range(2):  # a pool serves many slices
            reports = writing(pool, places, seen.append)
            assert len(reports) == 2
            assert all(report.errors == {} for report in reports)
            done = sum(sum(report.timeline["write"]) for report in reports)
            # The live count comes with the next tick: it is a little behind.
            assert 0 < pool.completed() <= done
        assert seen[0] < max(seen)
    assert gone(mine, 30)


def test_the_rate_is_spread_over_the_workers(places: Places) -> None:
    load = Load(4, 600.0, 0.8, 0.2, 1, 2)
    with Pool(2) as pool:
        reports = pool.run(places, "insert_write", {}, load)
    planned = [report.planned for report in reports]
    # What the seed says, whatever of it was sent: each worker has arrivals of its own.
    assert planned == [
        sum(part for _, part in arrivals("poisson", parts(load), (1, _ARRIVALS, n), n, 2))
        for n in range(2)
    ]
    assert planned[0] != planned[1]
    for report in reports:
        done = Histogram.decode(report.histograms["write"]).total
        assert done + report.unsent + sum(report.errors.values()) == report.planned


def test_no_more_workers_than_clients(places: Places) -> None:
    with Pool(2) as pool:
        load = Load(1, None, 0.3, 0.0, 1, 2)
        assert len(pool.run(places, "insert_write", {}, load)) == 1


def test_it_grows_by_a_worker_at_a_time(places: Places) -> None:
    with Pool(1, most=2) as pool:
        assert len(pool.run(places, "insert_write", {}, _LOAD)) == 1
        assert pool.grow()
        assert pool.workers == 2
        assert not pool.grow()
        mine = workers_of(os.getpid())
        assert len(mine) == 2
        assert len(writing(pool, places)) == 2
    assert gone(mine, 30)


@pytest.mark.timing
def test_its_ceiling_is_above_what_it_does_with_a_server(places: Places) -> None:
    with Pool(1) as pool:
        ceiling = pool.noop_ceiling()
        (report,) = pool.run(places, "insert_write", {}, _LOAD)
        # Both in CPU time, which others on the machine do not take from.
        assert ceiling > report.counts["write"] / (report.cpu_share * report.elapsed_s)


def test_its_ceiling_can_be_asked_for_again_and_again(places: Places) -> None:
    with Pool(1) as pool:
        assert pool.noop_ceiling() > 0
        assert len(pool.run(places, "insert_write", {}, _LOAD)) == 1
        # Work of the loop's own: the pool is left as it was.
        assert pool.noop_ceiling() > 0


def test_a_failing_slice_says_why_and_leaves_the_pool_usable(places: Places) -> None:
    with Pool(2) as pool:
        with pytest.raises(CheckFailed, match="no_such failed: ModuleNotFoundError"):
            pool.run(places, "no_such", {}, _LOAD)
        assert len(pool.run(places, "insert_write", {}, _LOAD)) == 2


def test_a_worker_that_dies_is_reported_and_replaced(places: Places) -> None:
    with Pool(2) as pool:
        before = workers_of(os.getpid())

        def kill(completed: int) -> None:
            if completed:
                before[0].kill()

        with pytest.raises(WorkerLost, match="a load worker died"):
            pool.run(places, "insert_write", {}, _LOAD, kill)
        assert gone(before, 30)
        assert pool.workers == len(workers_of(os.getpid())) == 2
        assert len(writing(pool, places)) == 2


def test_a_worker_that_died_between_two_slices_is_reported_too(places: Places) -> None:
    with Pool(2) as pool:
        victim = workers_of(os.getpid())[0]
        victim.kill()
        assert gone([victim], 30)
        with pytest.raises(WorkerLost, match="a load worker died"):
            pool.run(places, "insert_write", {}, _LOAD)
        assert len(pool.run(places, "insert_write", {}, _LOAD)) == 2


def test_workers_die_with_a_killed_parent(program: subprocess.Popen[str]) -> None:
    workers = workers_of(program.pid)
    assert len(workers) == 2
    program.kill()
    assert gone(workers, 30)


def test_interrupted_the_workers_end_their_slice(program: subprocess.Popen[str]) -> None:
    workers = workers_of(program.pid)
    # As a terminal does it: to the whole group. The workers leave it to their parent.
    for process in [*workers, psutil.Process(program.pid)]:
        process.send_signal(signal.SIGINT)
    assert program.wait(60) == 0
    assert program.stdout is not None
    assert program.stdout.read() == "heard\ninterrupted\n"
    assert gone(workers, 30)


def test_a_second_interrupt_kills_at_once(
    server: wheels.Server, program: subprocess.Popen[str]
) -> None:
    workers = workers_of(program.pid)
    for process in workers:
        process.suspend()  # they do not hear the request to stop
    assert program.stdout is not None
    # No third one, which could meet the program as it ends.
    for _ in range(2):
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "heard\n"
    assert program.wait(60) == 0
    assert gone(workers, 30)
