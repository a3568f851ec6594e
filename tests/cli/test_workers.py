"""`bench --workers`: load from the workers of a Dask scheduler, as a user asks for it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import Run, environment
from tests.real.dask_cluster import dask_cluster

_BENCH = ["bench", "caching", "--quick", "--runtime", "local"]


@pytest.mark.clusters
def test_a_run_loaded_by_dask_workers(run: Run, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 2) as cluster:
        done = run(*_BENCH, "--workers", cluster.address, "--json", "run.json")
    result = json.loads((tmp_path / "run.json").read_text())
    assert result["load"]["workers"] == 2
    assert result["host"]["load_from"] == f"Dask workers of {cluster.address}"
    assert "cache-aside" in done.stdout
    # Dask's own log stays out of what the user sees.
    assert "distributed" not in done.stderr
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["kept"]


@pytest.mark.labs
def test_a_worker_killed_in_a_slice(state: Path, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 2) as cluster:
        address, victim = next(iter(cluster.workers.items()))
        command = [sys.executable, "-m", "scalelab", *_BENCH, "--duration", "2"]
        with subprocess.Popen(
            [*command, "--workers", cluster.address, "--json", "run.json"],
            env=environment(state),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as bench:
            _wait_until_it_drives(victim, bench)
            victim.kill()
            out, said = bench.communicate(timeout=300)
    assert bench.returncode == 0, said
    why = f"was discarded and driven again: a load worker was lost ({address}: it left its"
    assert why in said
    assert "a load worker was lost" in out.replace("\n", " ")
    result = json.loads((tmp_path / "run.json").read_text())
    assert len([warning for warning in result["warnings"] if why in warning]) == 1
    assert all(len(v["throughput_by_round_per_s"]) == 2 for v in result["variants"])


@pytest.mark.clusters
def test_a_scheduler_that_does_not_answer(run: Run, state: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        said = run(*_BENCH, "--workers", address, code=4).stderr.splitlines()
    assert said[0] == f"error: no Dask scheduler answers at {address}"
    assert said[1].startswith("do: start one")
    assert len(said) == 2
    assert not (state / "clusters").exists()  # no server was started for nothing


def test_tls_without_certificates(run: Run) -> None:
    said = run(*_BENCH, "--workers", "tls://127.0.0.1:8786", code=4).stderr.splitlines()
    assert said[0] == "error: there are no certificates to connect to tls://127.0.0.1:8786 with"
    assert "distributed.comm.tls" in said[1]
    assert len(said) == 2


def _wait_until_it_drives(worker: psutil.Process, bench: subprocess.Popen[str]) -> None:
    """Until the worker has a connection for each of its sessions, eight of sixteen."""
    idle = len(worker.net_connections("tcp"))
    deadline = time.monotonic() + 300
    while len(worker.net_connections("tcp")) < idle + 8:
        assert bench.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
