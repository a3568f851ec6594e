"""Faults on a run's timeline: they strike in every slice, are measured, and undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.real.test_cluster import cluster, nodes

pytestmark = pytest.mark.failover

# How much the asynchronous one loses is not judged here: what was held by the cut link may still
# arrive when it is healed. That it does lose what was never sent is in test_promote.py.
_LAB = """
from scalelab.model import Lab, Variant
ACCIDENT = (
    "partition replica1--primary @200ms", "kill primary @600ms", "promote replica1 @900ms"
)
def variant(name, sync, faults=()):
    params = {"replicas": 1, "sync": sync}
    return Variant(name, "replication", "append_write", params, faults=faults)
LAB = Lab(
    title="Failover", question="What is lost?", counted="write", duration_s=8,
    variants=(
        variant("calm", "off"), variant("async", "off", ACCIDENT), variant("sync", "on", ACCIDENT)
    ),
)
"""


def test_a_failover_in_every_round_and_a_synchronous_one_loses_nothing(
    run: Run, tmp_path: Path, runtime: str
) -> None:
    folder = tmp_path / "labs" / "failing"
    folder.mkdir(parents=True)
    (folder / "lab.py").write_text(_LAB)
    command = ("bench", "failing", "--quick", "--rounds", "2", "--runtime", runtime)
    run(*command, "--json", "run.json")
    variants = json.loads((tmp_path / "run.json").read_text())["variants"]
    calm, *failed = variants
    assert calm["struck"] == calm["throughput_timeline_per_s"] == []
    assert calm["errors"] == {}
    for variant in failed:
        # Two rounds: the first was undone, or the second could not have been struck alike.
        struck = [each["text"].split()[0] for each in variant["struck"]]
        assert struck == ["partition", "kill", "promote"]
        assert all(0.1 < each["at_s"] < 8 for each in variant["struck"])
        assert len(variant["throughput_timeline_per_s"]) == 80
        assert variant["errors"]
    lost = {variant["name"]: variant["figures"]["lost"] for variant in variants}
    assert set(lost) == {"calm", "async", "sync"}
    assert lost["calm"] == lost["sync"] == 0
    assert {variant["figures"]["duplicated"] for variant in variants} == {0}


def test_a_pause_is_an_outage_of_its_length(
    run: Run, state: Path, tmp_path: Path, runtime: str
) -> None:
    run("up", "single", "-r", runtime)
    run(
        *("bench", "sharding", "--variants", "single", "--runtime", runtime, "--duration", "8"),
        *("--rounds", "1", "--fault", "pause primary @1s for 2s", "--json", "run.json"),
        code=None,
    )
    (found,) = json.loads((tmp_path / "run.json").read_text())["variants"]
    (pause,) = found["struck"]
    lasted = pause["until_s"] - pause["at_s"]
    assert lasted >= 2
    # By what was asked for: to heal takes its time, in which it serves again. Counted in ticks of
    # 0.1 s, and what was answered just before may be read a moment later.
    assert found["figures"]["unavailable_s"] >= 1.2
    assert found["max_ms"] >= 1200
    # The cluster was the user's: it is as it was.
    assert cluster(state, "single").faults == ()
    assert {node["state"] for node in nodes(run).values()} == {"running"}
