"""Whatever is killed at whatever moment, `down --all` leaves nothing.

The moments are drawn anew each time, so that few of them a run become many over the runs. For many
at once: ``SCALELAB_CRASH_MOMENTS=42 SCALELAB_CRASH_CYCLES=25 SCALELAB_CRASH_FAULTS=18``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scalelab.ledger import Ledger
from scalelab.runtimes import processes
from tests.conftest import Run, environment, leftovers

_MOMENTS = int(os.environ.get("SCALELAB_CRASH_MOMENTS", "15"))
_CYCLES = int(os.environ.get("SCALELAB_CRASH_CYCLES", "5"))
_FAULTS = int(os.environ.get("SCALELAB_CRASH_FAULTS", "6"))
_KINDS = (
    ("kill", "primary"),
    ("partition", "replica1--primary"),
    ("pause", "replica1"),
    ("slow", "primary"),
    ("stop", "replica1"),
    ("throttle", "replica1--primary", "--rate", "1MB"),
)


def owns_disks(runtime: str) -> bool:
    """Whether nodes can have disks of their own here."""
    return runtime == "docker" or os.geteuid() == 0


def _begin(state: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "scalelab", *arguments],
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.timeout(1500)
def test_killed_at_any_moment(run: Callable[..., object], state: Path, runtime: str) -> None:
    seed = time.time_ns() % 2**32
    print(f"seed {seed}")  # pytest shows it when the test fails
    drawn = random.Random(seed)
    for number in range(_MOMENTS):
        kind = ("up", "up", "up", "bench", "down")[number % 5]
        topology = drawn.choice(["single", "caching", "replication"])
        if kind == "bench":
            command, longest = ["bench", "caching", "--quick", "-r", runtime], 12.0
        elif kind == "up":
            disk = ["--disk", "256M"] if owns_disks(runtime) and drawn.random() < 0.5 else []
            command, longest = ["up", topology, "-r", runtime, *disk], 2.0
        else:
            run("up", topology, "-r", runtime)
            command, longest = ["down"], 0.8
        tool = _begin(state, *command)
        try:
            # The moment of the kill is the experiment, not a synchronisation.
            tool.wait(drawn.uniform(0, longest))
        except subprocess.TimeoutExpired:
            tool.send_signal(signal.SIGKILL)
            tool.wait()
        run("down", "--all")
        assert leftovers(state) == [], f"{command}, seed {seed}, number {number}"


@pytest.mark.timeout(900)
def test_cycles_leak_nothing(run: Callable[..., object], state: Path, runtime: str) -> None:
    for _ in range(_CYCLES):
        run("up", "caching", "-r", runtime)
        run("down")
        assert leftovers(state) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_up_cleans_after_itself(state: Path, runtime: str, number: int) -> None:
    tool = _begin(state, "up", "replication", "-r", runtime)
    while tool.poll() is None and not (state / "clusters" / "replication.json").exists():
        time.sleep(0.005)
    tool.send_signal(number)
    assert tool.wait(60) == 130
    assert leftovers(state) == []


def test_interrupted_bench_cleans_after_itself(state: Path, runtime: str) -> None:
    tool = _begin(state, "bench", "caching", "-r", runtime)
    while tool.poll() is None and len(list((state / "clusters").glob("*.json"))) < 2:
        time.sleep(0.01)
    tool.send_signal(signal.SIGINT)
    assert tool.wait(60) == 130
    assert leftovers(state) == []


@pytest.mark.timeout(900)
def test_a_fault_killed_at_any_moment_is_healed_by_the_next_command(
    run: Run, state: Path, runtime: str
) -> None:
    seed = time.time_ns() % 2**32
    print(f"seed {seed}")
    drawn = random.Random(seed)
    run("up", "replication", "-p", "replicas=1", "-r", runtime)
    for number in range(_FAULTS):
        kind = _KINDS[number % len(_KINDS)]
        tool = _begin(state, "fault", *kind, "--for", "1h")
        try:
            # The moment of the kill is the experiment, not a synchronisation.
            tool.wait(drawn.uniform(0, 4))
        except subprocess.TimeoutExpired:
            tool.send_signal(signal.SIGKILL)
            tool.wait()
        at = f"{kind}, seed {seed}, number {number}"
        assert tool.returncode == -signal.SIGKILL, at
        (cluster,) = json.loads(run("status", "--json").stdout)["clusters"]
        assert cluster["faults"] == [], at
        assert {node["state"] for node in cluster["nodes"]} == {"running"}, at
        entry = Ledger(state).read("replication")
        assert entry is not None
        assert entry.routes == (), at
        while processes.working_in(state.resolve() / "links", ()):
            time.sleep(0.01)  # a relay ends by itself once it is told to
    tool = _begin(state, "fault", "partition", "replica1--primary")
    while tool.poll() is None and not (state / "links").exists():
        time.sleep(0.005)
    tool.send_signal(signal.SIGKILL)
    tool.wait()
    run("down", "--all")
    assert leftovers(state) == [], f"seed {seed}"
