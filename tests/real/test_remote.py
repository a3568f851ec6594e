"""Load from Dask workers and other executors: the same work, and what is said when one goes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import socket
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from scalelab.errors import CheckFailed, EnvironmentLacks, WorkerLost
from scalelab.load.pool import Pool
from scalelab.load.remote import Remote
from scalelab.load.spread import Spread
from scalelab.measure.histogram import Histogram
from scalelab.model import Address, Load, Places, WorkerReport
from scalelab.workloads import insert_write
from tests.real import wheels
from tests.real.dask_cluster import DaskCluster, dask_cluster

# Dask's client leaves it to the garbage collector to close a socket or two.
pytestmark = [pytest.mark.clusters, pytest.mark.filterwarnings("ignore::ResourceWarning")]

_LOAD = Load(clients=4, rate=None, duration_s=1.0, warmup_s=0.2, seed=1, workers=2)
_LONG = dataclasses.replace(_LOAD, duration_s=60.0)
_OPEN = Load(clients=8, rate=200.0, duration_s=1.5, warmup_s=0.3, seed=7, workers=2)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        found = {"postgres": server.place}
        insert_write.WORKLOAD.load(found)
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers that no test may harm."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as cluster:
        yield cluster


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DaskCluster]:
    """Two workers of a test's own."""
    with dask_cluster(tmp_path, 2) as cluster:
        yield cluster


def seen(report: WorkerReport) -> tuple[int, int]:
    """What was planned, and what became of it: the two must agree."""
    done = Histogram.decode(report.histograms["write"]).total
    return report.planned, done + report.unsent + sum(report.errors.values())


def test_the_same_work_wherever_the_workers_are(places: Places, shared: DaskCluster) -> None:
    with Pool(2) as pool:
        here = [seen(report) for report in pool.run(places, "insert_write", {}, _OPEN)]
    with Remote(shared.address) as remote:
        assert remote.workers == 2
        there = [seen(report) for report in remote.run(places, "insert_write", {}, _OPEN)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as executor:
        anywhere = Spread([executor] * 2)
        other = [seen(report) for report in anywhere.run(places, "insert_write", {}, _OPEN)]
    assert here == there == other
    assert all(planned == became for planned, became in here)
    # The seed says how many arrive.
    assert sum(planned for planned, _ in here) == 274


def test_many_slices_with_live_counts(places: Places, shared: DaskCluster) -> None:
    counts: list[int] = []
    with Remote(shared.address) as remote:
        for _ in range(2):
            reports = remote.run(places, "insert_write", {}, _LOAD, counts.append)
            assert [report.counts["write"] > 0 for report in reports] == [True, True]
        few = dataclasses.replace(_LOAD, clients=1)
        assert len(remote.run(places, "insert_write", {}, few)) == 1
    assert counts[0] == 0 < max(counts)


def test_a_workload_that_breaks_says_why(places: Places, shared: DaskCluster) -> None:
    with Remote(shared.address) as remote:
        with pytest.raises(CheckFailed, match="no_such failed: ModuleNotFoundError"):
            remote.run(places, "no_such", {}, _LOAD)
        assert len(remote.run(places, "insert_write", {}, _LOAD)) == 2


def test_an_interrupt_ends_the_slice_on_the_workers(places: Places, shared: DaskCluster) -> None:
    def interrupt(completed: int) -> None:
        if completed:
            raise KeyboardInterrupt

    with Remote(shared.address) as remote:
        with pytest.raises(KeyboardInterrupt):
            remote.run(places, "insert_write", {}, _LONG, interrupt)
        # They would say that they are at work for another run.
        assert len(remote.run(places, "insert_write", {}, _LOAD)) == 2


def test_a_worker_leaves_a_driver_that_fell_silent(places: Places, shared: DaskCluster) -> None:
    one = dataclasses.replace(_LONG, clients=1)
    ended: list[int] = []

    def silent(completed: int) -> None:
        if completed:
            # Says nothing as long as the other waits for the worker, whose only thread is taken.
            with Remote(shared.address) as other:
                load = dataclasses.replace(_LOAD, clients=1)
                ended.append(len(other.run(places, "insert_write", {}, load)))

    with Remote(shared.address) as remote, pytest.raises(WorkerLost, match="heard nothing"):
        remote.run(places, "insert_write", {}, one, silent)
    assert ended == [1]


def test_a_killed_worker_is_reported_and_the_other_goes_on(
    places: Places, own: DaskCluster
) -> None:
    left = list(own.workers)

    def kill(completed: int) -> None:
        if completed and len(left) == remote.workers:
            own.workers[left.pop(0)].kill()

    with Remote(own.address) as remote:
        first = left[0]
        with pytest.raises(WorkerLost, match=rf"lost \({first}: it left its scheduler\)"):
            remote.run(places, "insert_write", {}, _LONG, kill)
        assert remote.workers == 1
        reports = remote.run(places, "insert_write", {}, _LOAD)
        assert [report.counts["write"] > 0 for report in reports] == [True]
        with pytest.raises(CheckFailed, match="the last load worker was lost"):
            remote.run(places, "insert_write", {}, _LONG, kill)


def test_a_killed_scheduler_ends_the_run(places: Places, own: DaskCluster) -> None:
    def kill(completed: int) -> None:
        if completed:
            own.scheduler.kill()

    with (
        Remote(own.address) as remote,
        pytest.raises(CheckFailed, match="in the middle of a slice"),
    ):
        remote.run(places, "insert_write", {}, _LONG, kill)


def test_a_worker_that_cannot_reach_a_node(places: Places, shared: DaskCluster) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        nowhere = Address("127.0.0.1", closed.getsockname()[1])
        moved = {"postgres": dataclasses.replace(places["postgres"], client=nowhere)}
        said = rf"worker tcp://\S+ does not reach the node postgres at {nowhere}"
        with Remote(shared.address) as remote, pytest.raises(EnvironmentLacks, match=said):
            remote.run(moved, "insert_write", {}, _LOAD)


def test_a_worker_without_scalelab(own: DaskCluster) -> None:
    bare = own.add(without=True)
    with pytest.raises(EnvironmentLacks, match=f"{bare} has no scalelab"), Remote(own.address):
        pass


def test_a_scheduler_without_workers(tmp_path: Path) -> None:
    with (
        dask_cluster(tmp_path, 0) as empty,
        pytest.raises(EnvironmentLacks, match="has no workers"),
        Remote(empty.address),
    ):
        pass


def test_something_else_listens_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EnvironmentLacks, match=f"answers at {address}"), Remote(address):
            pass
