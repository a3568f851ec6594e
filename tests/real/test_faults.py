"""Every fault on real servers, on each runtime: measured apart from the tool, and healed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scalelab.runtimes import processes
from tests.conftest import Run, environment, leftovers
from tests.real.test_cluster import ask, cluster, connect, nodes, until

_ONE = ("-p", "replicas=1")


def injected(run: Run, *arguments: str) -> dict[str, Any]:
    return json.loads(run("fault", *arguments, "--json").stdout)


def on(run: Run) -> list[str]:
    return [fault["id"] for fault in json.loads(run("fault", "list", "--json").stdout)["faults"]]


def session(run: Run, node: str, **options: Any) -> psycopg.Connection:
    """A session by the address that users are given."""
    return psycopg.connect(run("url", node).stdout.strip(), autocommit=True, **options)


def seconds(connection: psycopg.Connection, query: str = "SELECT 1") -> float:
    began = time.monotonic()
    connection.execute(query).fetchall()
    return time.monotonic() - began


_EVERY = (
    (("kill", "primary"), "round_trip_ms"),
    (("stop", "replica1"), "round_trip_ms"),
    (("pause", "replica1"), "round_trip_ms"),
    (("partition", "replica1--primary"), "round_trip_ms"),
    (("slow", "primary", "--latency", "80ms"), "round_trip_ms"),
    (("throttle", "primary", "--rate", "200kB"), "throughput_bytes_per_s"),
)


def test_each_fault_is_proved_and_healed(run: Run, state: Path, runtime: str) -> None:
    """All but `fill-disk` (test_full_disk.py) and `crash` (test_ha.py)."""
    run("up", "replication", *_ONE, "-r", runtime)
    for words, figure in _EVERY:
        measured = injected(run, *words, "--for", "500ms")["measured"]
        before, during, healed = (measured[when][figure] for when in ("before", "during", "healed"))
        assert before > 0, words
        assert healed > 0, words
        if words[0] in ("slow", "throttle"):
            # Of what was asked for, as much as cannot be there without it.
            assert during >= 60 if words[0] == "slow" else during < 260_000
        else:
            assert during is None, words
    assert on(run) == []
    places = cluster(state, "replication").places
    until(lambda: nodes(run)["replica1"].get("replication") == "streaming")
    assert ask(places["primary"], "SELECT 1") == 1
    run("down")


@pytest.mark.clusters
def test_a_node_is_killed_stopped_and_paused(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", *_ONE, "-r", runtime)
    places = cluster(state, "replication").places
    with connect(places["primary"]) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS x")

    measured = injected(run, "kill", "primary", "--for", "1s")["measured"]
    assert measured["before"]["round_trip_ms"] > 0
    assert measured["during"] == {"round_trip_ms": None}
    assert measured["healed"]["round_trip_ms"] > 0
    assert ask(places["primary"], "SELECT x FROM t") == 42
    assert on(run) == []

    paused = injected(run, "pause", "replica1")
    assert (paused["id"], paused["inverse"], paused["until"]) == ("f1", "resume", None)
    assert nodes(run)["replica1"]["state"] == "paused"
    with pytest.raises(psycopg.OperationalError):
        connect(places["replica1"], connect_timeout=2)
    again = run("fault", "stop", "replica1", code=2)
    assert "pause of replica1 is on already (f1)" in again.stderr
    run("fault", "heal", "replica1")
    assert ask(places["replica1"], "SELECT x FROM t") == 42

    run("fault", "stop", "replica1")
    assert nodes(run)["replica1"]["state"] == "stopped"
    assert "fault f1 stop replica1 (stopped cleanly)" in run("status").stdout
    run("start", "replica1")  # what a user starts is no fault any more
    assert on(run) == []
    until(lambda: nodes(run)["replica1"].get("replication") == "streaming")
    run("down")


@pytest.mark.clusters
def test_the_link_of_clients(run: Run, state: Path, runtime: str) -> None:
    run("up", "single", "-r", runtime)
    direct = cluster(state, "single").places["primary"]
    with session(run, "primary") as before, connect(direct, autocommit=True) as inside:
        slow = injected(run, "slow", "primary", "--latency", "120ms", "--jitter", "20ms")
        assert slow["measured"]["during"]["round_trip_ms"] > 60
        assert slow["options"] == {"latency_s": 0.12, "jitter_s": 0.02}
        relayed = session(run, "primary")
        assert seconds(relayed) >= 0.1
        # The session from before stays direct, as the command says. So fast is no impaired answer.
        assert before.info.port != relayed.info.port
        until(lambda: seconds(before) < 0.1)

        throttled = injected(run, "throttle", "client--primary", "--rate", "200kB")
        assert throttled["measured"]["during"]["throughput_bytes_per_s"] < 260_000
        assert seconds(relayed, "SELECT repeat('x', 200000)") >= 0.95
        run("fault", "heal", "f1")
        assert on(run) == ["f2"]
        run("fault", "heal", "f2")

        # Healing has broken no session; this one goes on through the old relay, unimpaired.
        until(lambda: seconds(relayed) < 0.1)
        relayed.close()
        assert run("url", "primary").stdout.strip().endswith(f":{direct.client.port}/lab")

        run("fault", "slow", "primary", "--latency", "1ms")
        relayed = session(run, "primary")
        inside.execute("CREATE TABLE t (x int)")
        count = "SELECT count(*) FROM t"

        run("fault", "partition", "client--primary", "--one-way")
        relayed.pgconn.send_query(b"INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.OperationalError):
            session(run, "primary", connect_timeout=2)
        assert ask(direct, count) == 0  # the question did not arrive
        run("fault", "heal", "f2")
        until(lambda: ask(direct, count) == 1)  # after the cut it does
        assert relayed.pgconn.get_result() is not None
        assert relayed.pgconn.get_result() is None

        run("fault", "partition", "primary--client", "--one-way")
        relayed.pgconn.send_query(b"INSERT INTO t VALUES (2)")
        until(lambda: ask(direct, count) == 2)  # the question arrived
        assert not answered(relayed)  # the answer did not
        run("fault", "heal", "--all")
        assert relayed.pgconn.get_result() is not None
        relayed.close()
    assert cluster(state, "single").routes == ()

    run("fault", "slow", "primary", "--latency", "5ms")
    run("fault", "kill", "primary")  # a fault of the node, not of its clients' link
    assert on(run) == ["f1", "f2"]
    run("fault", "heal", "--all")
    assert ask(direct, "SELECT count(*) FROM t") == 2
    run("down")


def answered(connection: psycopg.Connection) -> bool:
    """Whether anything of an answer comes within half a second."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.settimeout(0.5)
        try:
            return bool(wire.recv(1, socket.MSG_PEEK))
        except (TimeoutError, BlockingIOError):
            return False


@pytest.mark.clusters
def test_the_link_of_a_replica(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", *_ONE, "-r", runtime)
    primary, replica = cluster(state, "replication").places.values()
    with connect(primary, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (x int)")
    there = "SELECT count(*) FROM t"
    until(lambda: ask(replica, "SELECT to_regclass('t') IS NOT NULL"))

    measured = injected(run, "slow", "replica1--primary", "--latency", "200ms")["measured"]
    assert measured["during"]["round_trip_ms"] >= 150
    run("fault", "heal")

    measured = injected(run, "throttle", "primary--replica1", "--rate", "400kB")["measured"]
    assert measured["during"]["throughput_bytes_per_s"] <= 520_000
    run("fault", "heal")

    run("fault", "partition", "primary--replica1", "--one-way")
    with connect(primary, autocommit=True) as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    assert ask(replica, there) == 0
    assert "nodes cannot trade places" in run("promote", "replica1", code=2).stderr
    run("fault", "kill", "replica1")
    # A replica that starts during the cut cannot stream: said, not waited for.
    assert (
        "heal that first"
        in run("fault", "heal", "kill", code=2).stderr + run("fault", "heal", "f2", code=2).stderr
    )
    run("fault", "heal", "--all")
    until(lambda: ask(replica, there) == 1)
    assert on(run) == []
    assert cluster(state, "replication").routes == ()

    run("fault", "partition", "replica1--primary")
    with connect(primary, autocommit=True) as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    assert ask(replica, there) == 1
    assert "(cut both ways)" in run("fault", "list").stdout
    run("down")
    assert leftovers(state) == []


@pytest.mark.clusters
def test_a_cache_behind_a_slow_link(run: Run, state: Path, runtime: str) -> None:
    run("up", "caching", "-r", runtime)
    slow = injected(run, "slow", "cache", "--latency", "80ms", "--for", "500ms")["measured"]
    assert slow["during"]["round_trip_ms"] >= 60
    throttled = injected(run, "throttle", "cache", "--rate", "100kB", "--for", "500ms")["measured"]
    assert throttled["during"]["throughput_bytes_per_s"] <= 130_000
    assert injected(run, "pause", "cache", "--for", "500ms")["measured"]["healed"]["round_trip_ms"]
    run("down")


def test_ctrl_c_heals_at_once(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    command = ["fault", "pause", "primary", "--for", "1h"]
    for arguments in (command, ["--debug", *command]):
        with begin(state, *arguments) as tool:
            assert tool.stdout is not None
            assert "pause primary is on (f" in tool.stdout.readline()
            tool.send_signal(signal.SIGINT)
            said = tool.stdout.read()
            assert tool.wait(300) == 130
            assert "pause primary is healed" in said
        assert nodes(run)["primary"]["state"] == "running"


_INTERRUPTED_WHILE_PRINTING = """
import signal
from scalelab.cli import app, output
app._second_interrupt_kills()
output.stdout()._enter_buffer()  # as an interrupt leaves it that lands while it prints
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    output.stdout().print("said all the same")
"""


def test_what_comes_after_a_ctrl_c_is_said() -> None:
    command = [sys.executable, "-c", _INTERRUPTED_WHILE_PRINTING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "said all the same\n", done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "status",
        *(
            pytest.param(command, marks=pytest.mark.clusters)
            for command in ("list", "report --list", "up")
        ),
    ],
)
def test_after_the_tool_is_killed_any_command_heals(run: Run, state: Path, command: str) -> None:
    run("up", "single", "-r", "local")
    tool = begin(state, "fault", "pause", "primary", "--for", "1h")
    assert tool.stdout is not None
    assert "pause primary is on (f1)" in tool.stdout.readline()
    assert on(run) == ["f1"]
    tool.kill()
    tool.wait()
    tool.stdout.close()
    words = {"list": ["fault", "list"], "up": ["up", "single", "-r", "local"]}
    done = run(*words.get(command, command.split()))
    assert "healed pause of primary (single): its scalelab is gone" in done.stderr
    assert nodes(run)["primary"]["state"] == "running"


@pytest.mark.clusters
def test_a_relay_that_was_killed_is_started_again(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    run("fault", "slow", "primary", "--latency", "100ms")
    (route,) = cluster(state, "single").routes
    process = processes.alive(route.pid, route.started)
    assert process is not None
    process.kill()
    until(lambda: processes.alive(route.pid, route.started) is None)
    assert "the relay of client--primary (single) had ended" in run("status").stderr
    with session(run, "primary") as relayed:
        assert relayed.info.port == route.listen.port
        assert seconds(relayed) >= 0.08


@pytest.mark.clusters
def test_a_bench_says_which_faults_were_on(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local", "--name", "mine")
    run("fault", "slow", "primary", "--latency", "5ms")
    done = run("bench", "caching", "--quick", "-r", "local", "-v", "database")
    assert "database: slow of primary was on (5 ms added to a round trip)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("kill", "primry"), "did you mean 'primary'?"),
        (("kill", "replica1--primary"), "takes a node"),
        (("slow", "replica1--primry"), "did you mean 'primary'?"),
        (("slow", "clent--primary"), "did you mean 'client'?"),
        (("slow", "replica1--replica2"), "links: replica1--primary"),
        (("kill", "replica2"), "scalelab start replica2"),
        (("slow", "replica2--primary"), "scalelab start replica2"),
        (("partition", "replica2"), "scalelab start replica2"),
        (("heal", "f7"), "did you mean 'f1'?"),
        (("slow", "primary"), "is on already (f1)"),
        (("throttle", "primary", "--rate", "1GB"), "took no effect"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input(refused: Callable[..., None], arguments: tuple[str, ...], says: str) -> None:
    refused(arguments, says)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cluster with a node stopped and a fault on, for all wrong input."""
    folder = tmp_path_factory.mktemp("standing") / "state folder"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scalelab", *arguments]
        return subprocess.run(
            command, env=environment(folder), capture_output=True, text=True, cwd=folder.parent
        )

    for words in (
        ("up", "replication", "-r", "local"),
        ("fault", "slow", "primary", "--latency", "5ms"),
        ("stop", "replica2"),
    ):
        done = run(*words)
        assert done.returncode == 0, done.stderr
    yield run
    run("down", "--all")
    assert leftovers(folder) == []


@pytest.fixture
def refused(standing: Any) -> Callable[..., None]:
    def refused(arguments: tuple[str, ...], says: str) -> None:
        before = standing("fault", "list").stdout
        done = standing("fault", *arguments)
        assert done.returncode == (1 if says == "took no effect" else 2), done.stderr
        assert says in done.stderr
        assert done.stdout == ""
        assert standing("fault", "list").stdout == before

    return refused


def begin(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "scalelab", *arguments],
        env=environment(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
