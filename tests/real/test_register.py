"""Are several servers one register? Found where they are not, and nothing where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scalelab import catalog
from scalelab.cli import config
from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure import figures
from scalelab.model import Budget, Load, Places
from scalelab.workloads import register

# In a release's checks: 20 of 20.
_TRIALS = int(os.environ.get("SCALELAB_TRIALS", "3"))
_LOAD = Load(clients=8, rate=None, duration_s=0.6, warmup_s=0.1, seed=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """A primary and a replica that shows every write 20 ms late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALELAB_STATE", str(tmp_path_factory.mktemp("state")))
        topology = catalog.topology("replication", {"replicas": 1, "apply_delay_ms": 20})
        clusters = config.clusters()
        cluster = clusters.up("register", topology, "local", Budget(0.2, 256 * 1024**2))
        try:
            register.WORKLOAD.load(cluster.places)
            register.WORKLOAD.load(cluster.places)  # again is harmless
            yield cluster.places
        finally:
            clusters.down("register")


@pytest.mark.parametrize(
    ("reads", "holds"), [("primary", True), ("replica", False), ("any", False)]
)
def test_a_register_is_judged(places: Places, reads: str, holds: bool) -> None:
    for seed in range(_TRIALS):
        task = SliceTask(places, "register", {"reads": reads}, replace(_LOAD, seed=seed), 0)
        report = run_slice(task)
        assert report.errors == {}
        assert report.counts["read"] > 0
        assert report.counts["write"] > 0
        assert report.registers.unjudged == 0 or not holds
        said = figures.of_checkers([report], None)
        assert (said["not_linearizable"] == 0) is holds, (seed, report.registers)
    print(f"{reads}: {_TRIALS} of {_TRIALS}")


def test_two_workers_judge_a_key_each(places: Places) -> None:
    load = replace(_LOAD, workers=2)
    tasks = [SliceTask(places, "register", {"reads": "primary"}, load, n) for n in range(2)]
    first, second = (run_slice(task).registers for task in tasks)
    assert first.judged > 0
    assert second.judged > 0
    # The second worker began with what the first one had left, and knew it.
    assert (first + second).outcome == "valid"
