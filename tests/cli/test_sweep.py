"""Sweeps of real clusters: each size brought up and taken down, and what breaks off is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scalelab.report import forms
from scalelab.report.sweep import Sweep
from tests.conftest import Run, environment, leftovers

# Servers that may use a whole core have their data sooner; how fast they are is not looked at.
_SHORT = ("--quick", "--duration", "0.5", "--rounds", "1", "--runtime", "local", "--cpus", "1")


@pytest.mark.labs
def test_a_sweep_of_shards(run: Run, state: Path, tmp_path: Path) -> None:
    files = ("--json", "s.json", "--html", "s.html", "--csv", "s.csv")
    done = run("bench", "sharding", "--sweep", "shards=2,3,4,5", *_SHORT, *files)
    assert leftovers(state) == []
    built = json.loads((tmp_path / "s.json").read_text())
    shapes = [point["shapes"] for point in built["points"]]
    assert [each["three-shards"]["nodes"] for each in shapes] == [2, 3, 4, 5]
    assert [each["single"]["nodes"] for each in shapes] == [1, 1, 1, 1]
    runs = [point["run"] for point in built["points"]]
    assert [each["load"]["clients"] for each in runs] == [16, 24, 32, 40]
    assert all(each["throughput_per_s"] > 0 for read in runs for each in read["variants"])
    assert list(built["laws"]) == ["three-shards"]
    assert built["laws"]["three-shards"]["universal"]["single_per_s"] > 0
    assert "single: not varied" in done.stdout
    assert "universal law: contention" in done.stdout
    assert run("report").stdout == done.stdout
    assert run("report", "--html", "-").stdout == (tmp_path / "s.html").read_text()
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 9


@pytest.mark.labs
def test_an_interrupted_sweep_shows_and_keeps_what_it_did(state: Path, tmp_path: Path) -> None:
    command = ["bench", "caching", "--sweep", "clients=1,2,4,8", *_SHORT]
    with subprocess.Popen(
        [sys.executable, "-m", "scalelab", *command],
        env=environment(state),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert process.stdout
        guard = threading.Timer(300, process.kill)
        guard.start()
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("run 2 of 4"):
                os.kill(process.pid, signal.SIGINT)
                break
        said += process.stderr.readlines()
        shown = process.stdout.read()
        guard.cancel()
    assert process.returncode == 130, "".join(said)
    assert "error: interrupted" in "".join(said)
    assert "it broke off: clients" in shown
    assert "no law: a law needs at least 4 different values" in shown
    assert leftovers(state) == []
    (file,) = (path for path in (state / "runs").glob("*.json") if not path.is_symlink())
    kept = forms.load(file.read_text())
    assert isinstance(kept, Sweep)
    assert len(kept.points) == 1
    assert len(kept.missing) == 3
