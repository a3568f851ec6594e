"""Faults on a run's timeline: they strike in every slice, are measured, and undone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.real.test_cluster import cluster, nodes

_LAB = """
from scalelab.model import Lab, Variant
LAB = Lab(
    title="Failover", question="What is lost?", counted="write", duration_s=4,
    variants=(
        Variant("calm", "replication", "append_write", {"replicas": 1}),
        Variant("struck", "replication", "append_write", {"replicas": 1}, faults=FAULTS),
    ),
)
"""


@pytest.fixture
def bench(run: Run, tmp_path: Path, runtime: str):
    """Run a lab whose second variant is struck, on a cluster of its own that stays up."""

    def bench(*faults: str, rounds: int = 1) -> dict[str, Any]:
        folder = tmp_path / "labs" / "struck"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lab.py").write_text(_LAB.replace("FAULTS", repr(faults)))
        common = ("--runtime", runtime, "--rounds", str(rounds), "--json", "run.json")
        run("bench", "struck", *common)
        document: dict[str, Any] = json.loads((tmp_path / "run.json").read_text())
        return document

    return bench


def test_a_failover_in_every_round(bench: Any) -> None:
    found = bench("kill primary @1s", "promote replica1 @1.2s", rounds=2)
    calm, struck = found["variants"]
    # Two rounds: the first was undone, or the second could not have been struck alike.
    assert [each["text"] for each in struck["struck"]] == [
        "kill primary @1s",
        "promote replica1 @1.2s",
    ]
    assert all(0.9 < each["at_s"] < 4 for each in struck["struck"])
    assert calm["struck"] == calm["throughput_timeline_per_s"] == []
    assert len(struck["throughput_timeline_per_s"]) == 40
    assert struck["errors"]
    assert calm["errors"] == {}
    assert calm["figures"]["lost"] == calm["figures"]["duplicated"] == 0
    assert "lost" in struck["figures"]


def test_a_pause_is_an_outage_of_its_length(
    run: Run, state: Path, tmp_path: Path, runtime: str
) -> None:
    run("up", "single", "-r", runtime)
    run(
        *("bench", "sharding", "--variants", "single", "--runtime", runtime, "--duration", "4"),
        *("--rounds", "1", "--fault", "pause primary @1s for 1500ms", "--json", "run.json"),
        code=None,
    )
    (found,) = json.loads((tmp_path / "run.json").read_text())["variants"]
    (pause,) = found["struck"]
    lasted = pause["until_s"] - pause["at_s"]
    assert lasted >= 1.4
    # Counted in ticks of 0.1 s, and operations may come in bursts after it.
    assert found["figures"]["unavailable_s"] >= lasted - 0.4
    assert found["max_ms"] >= 1000 * (lasted - 0.4)
    # The cluster was the user's: it is as it was.
    assert cluster(state, "single").faults == ()
    assert {node["state"] for node in nodes(run).values()} == {"running"}
