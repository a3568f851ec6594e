"""Whatever is killed at whatever step of its own, `down --all` leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scalelab.ledger import Ledger
from scalelab.runtimes import processes
from tests.conftest import Run, environment, first_local, leftovers
from tests.real.crashes import drawn, killed, steps, told

_CYCLES = 3
_DISK = ("--disk", "256M")
_FAULTS = (
    ("kill", "primary"),
    ("partition", "replica1--primary"),
    ("pause", "replica1"),
    ("slow", "primary"),
    ("stop", "replica1"),
    ("throttle", "replica1--primary", "--rate", "1MB"),
)
_LONG = pytest.mark.timeout(3600)  # with as many moments as a hunt asks for
# A step in the midst of a removal.
_REMOVING = {
    "local": "os.remove in runtimes.local.LocalRuntime.remove #64",
    "docker": "request in runtimes.labelled._remove_container #2",
}


def owns_disks(runtime: str) -> bool:
    """Whether nodes can have disks of their own here."""
    return runtime == "docker" or os.geteuid() == 0


def must_leave_nothing(run: Run, state: Path) -> None:
    run("down", "--all")
    assert leftovers(state) == []


def each_leaves_nothing(run: Run, state: Path, chosen: Sequence[str], *command: str) -> None:
    """Kill the command at each of these steps, one after the other."""
    for step in chosen:
        with told(step, *command):
            killed(state, step, *command)
            must_leave_nothing(run, state)


@pytest.mark.parametrize(
    "step",
    [
        "links.Relays.remove #1",  # the entry is in the ledger, and nothing else is there
        "booting._await #2",  # the primary is ready, a replica has just been started
    ],
)
@first_local("crash")
def test_an_up_that_is_killed(run: Run, state: Path, runtime: str, step: str) -> None:
    command = ("up", "replication", "-r", runtime)
    with told(step, *command):
        assert killed(state, step, *command)
        assert leftovers(state, patience_s=0) != []
        must_leave_nothing(run, state)


@first_local("crash")
def test_a_down_that_is_killed(run: Run, state: Path, runtime: str) -> None:
    run("up", "caching", "-r", runtime)
    with told(_REMOVING[runtime], "down"):
        assert killed(state, _REMOVING[runtime], "down")
        assert leftovers(state, patience_s=0) != []
        must_leave_nothing(run, state)


@pytest.mark.crash
@_LONG
@pytest.mark.parametrize("disk", [(), _DISK], ids=["", "disk"])
@pytest.mark.parametrize("topology", ["single", "caching", "replication"])
def test_an_up_killed_at_any_step(
    run: Run, state: Path, runtime: str, topology: str, disk: tuple[str, ...]
) -> None:
    if disk and not owns_disks(runtime):
        pytest.skip("only root may mount; what others are told is in test_nonroot.py")
    command = ("up", topology, "-r", runtime, *disk)
    every = steps(state, *command)
    must_leave_nothing(run, state)
    each_leaves_nothing(run, state, drawn(every, 5, *command), *command)


@pytest.mark.crash
@_LONG
def test_an_up_of_ha_killed_at_any_step(run: Run, state: Path) -> None:
    command = ("up", "ha", "-r", "local")
    every = steps(state, *command)
    must_leave_nothing(run, state)
    each_leaves_nothing(run, state, drawn(every, 4, *command), *command)


@pytest.mark.crash
@_LONG
def test_a_bench_killed_at_any_step(run: Run, state: Path, runtime: str) -> None:
    command = ("bench", "caching", "--quick", "-r", runtime)
    every = steps(state, *command)
    assert leftovers(state) == []
    each_leaves_nothing(run, state, drawn(every, 5, *command), *command)


@pytest.mark.crash
@_LONG
@pytest.mark.parametrize("topology", ["caching", "replication"])
def test_a_down_killed_at_any_step(run: Run, state: Path, runtime: str, topology: str) -> None:
    run("up", topology, "-r", runtime)
    every = steps(state, "down")
    assert leftovers(state) == []
    for step in drawn(every, 4, "down", topology, runtime):
        run("up", topology, "-r", runtime)
        with told(step, "down"):
            killed(state, step, "down")
            must_leave_nothing(run, state)


@pytest.mark.crash
@_LONG
@pytest.mark.parametrize("kind", _FAULTS, ids=lambda kind: kind[0])
def test_a_fault_killed_at_any_step_is_healed_by_the_next_command(
    run: Run, state: Path, runtime: str, kind: tuple[str, ...]
) -> None:
    run("up", "replication", "-p", "replicas=1", "-r", runtime)
    command = ("fault", *kind, "--for", "1h")
    every = steps(state, *command)
    chosen = drawn(every, 3, *command)
    for step in chosen:
        with told(step, *command):
            killed(state, step, *command)
            (cluster,) = json.loads(run("status", "--json").stdout)["clusters"]
            assert cluster["faults"] == []
            assert {node["state"] for node in cluster["nodes"]} == {"running"}
            entry = Ledger(state).read("replication")
            assert entry is not None
            assert entry.routes == ()
            while processes.working_in(state.resolve() / "links", ()):
                time.sleep(0.01)  # a relay ends by itself once it is told to
    half_way = chosen[len(chosen) // 2]
    with told(half_way, *command):
        killed(state, half_way, *command)
        must_leave_nothing(run, state)


@pytest.mark.crash
def test_cycles_leak_nothing(run: Run, state: Path, runtime: str) -> None:
    for _ in range(_CYCLES):
        run("up", "caching", "-r", runtime)
        run("down")
        assert leftovers(state) == []


def _begin(state: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "scalelab", *arguments],
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@first_local("crash")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.crash)]
)
def test_interrupted_up_cleans_after_itself(state: Path, runtime: str, number: int) -> None:
    tool = _begin(state, "up", "replication", "-r", runtime)
    while tool.poll() is None and not (state / "clusters" / "replication.json").exists():
        time.sleep(0.005)
    tool.send_signal(number)
    assert tool.wait(300) == 130
    assert leftovers(state) == []


@pytest.mark.crash
def test_interrupted_bench_cleans_after_itself(state: Path, runtime: str) -> None:
    tool = _begin(state, "bench", "caching", "-r", runtime)
    while tool.poll() is None and len(list((state / "clusters").glob("*.json"))) < 2:
        time.sleep(0.01)
    tool.send_signal(signal.SIGINT)
    assert tool.wait(300) == 130
    assert leftovers(state) == []
