"""Are several servers one register? Found where they are not, and nothing where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scalelab import catalog
from scalelab.cli import config
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure import figures
from scalelab.model import Budget, Load, Places
from scalelab.workloads import register
from tests.real.flow import drive_until

_TRIES = 20
_LOAD = Load(clients=8, rate=None, duration_s=0.6, warmup_s=0.1, seed=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """A primary and a replica that shows every write a tenth of a second late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALELAB_STATE", str(tmp_path_factory.mktemp("state")))
        topology = catalog.topology("replication", {"replicas": 1, "apply_delay_ms": 100})
        clusters = config.clusters()
        cluster = clusters.up("register", topology, "local", Budget(0.2, 256 * 1024**2))
        try:
            register.WORKLOAD.load(cluster.places)
            register.WORKLOAD.load(cluster.places)  # again is harmless
            yield cluster.places
        finally:
            clusters.down("register")


def violated(places: Places, reads: str, seed: int) -> bool:
    """Whether no order explains what a slice did."""
    task = SliceTask(places, "register", {"reads": reads}, replace(_LOAD, seed=seed), 0)
    report = drive_until(task, "read", "write")
    assert report.errors == {}
    found = figures.of_checkers([report], None)["not_linearizable"] > 0
    assert found or report.registers.unjudged == 0
    return found


def test_the_primary_is_a_register(places: Places) -> None:
    assert not violated(places, "primary", 1)


@pytest.mark.labs
def test_the_primary_is_a_register_every_time(places: Places) -> None:
    assert not any(violated(places, "primary", seed) for seed in range(_TRIES))


@pytest.mark.labs
@pytest.mark.parametrize("reads", ["replica", "any"])
def test_with_a_late_replica_it_is_none(places: Places, reads: str) -> None:
    assert any(violated(places, reads, seed) for seed in range(_TRIES))


def test_two_workers_judge_a_key_each(places: Places) -> None:
    load = replace(_LOAD, workers=2)
    tasks = [SliceTask(places, "register", {"reads": "primary"}, load, n) for n in range(2)]
    first, second = (run_slice(task).registers for task in tasks)
    assert first.judged > 0
    assert second.judged > 0
    # The second worker began with what the first one had left, and knew it.
    assert (first + second).outcome == "valid"
