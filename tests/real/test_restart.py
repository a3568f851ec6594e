"""A server that is started again boots without its CPU limit, as at its first start."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.cli import config
from scalelab.ledger import Ledger
from scalelab.model import Place
from tests.conftest import Run, first_local
from tests.real.test_cluster import ask, cluster


def limited(state: Path, runtime: str, place: Place) -> bool:
    """Whether the kernel (or Docker) holds the node to a share of the CPU now."""
    if runtime == "docker":
        container = str(cluster(state, place.cluster).handles[place.node.name]["id"])
        said = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
        return int(json.loads(said.stdout)[0]["HostConfig"]["CpuQuota"]) > 0
    group = f"scalelab-{Ledger(state).state_id}/{place.cluster}/{place.node.name}"
    v1, v2 = (Path("/sys/fs/cgroup") / f"{cpu}{group}" for cpu in ("cpu/", ""))
    if v1.is_dir():
        return int((v1 / "cpu.cfs_quota_us").read_text()) > 0
    return not (v2 / "cpu.max").read_text().startswith("max")


@first_local("clusters")
def test_the_limit_is_off_while_a_server_boots_again(
    run: Run, state: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALELAB_STATE", str(state))
    run("up", "single", "--cpus", "0.1", "-r", runtime)
    found = cluster(state, "single")
    if not found.budgeted or (runtime == "local" and os.geteuid() != 0):
        pytest.skip("no CPU budget can be had here, or it is in a scope of its own each time")
    place = found.places["primary"]
    assert limited(state, runtime, place)

    # As far as a tool gets that is killed while it starts a node.
    run("stop")
    launch = catalog.services["postgres"].launch(place, found.peers("primary"))
    killed = config.clusters().runtime(runtime)
    handle = killed.start(place, launch)
    assert not limited(state, runtime, place)

    run("start")
    assert limited(state, runtime, place)
    killed.state(place, handle)  # a local one was a child of this process, and has ended
    assert ask(place, "SELECT 1") == 1
