"""A cluster's life on real servers, on each runtime: up, faults from outside, restart, down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from scalelab.ledger import Ledger
from scalelab.model import Cluster, Place
from tests.conftest import Run, environment, first_local, leftovers


def cluster(state: Path, name: str) -> Cluster:
    found = Ledger(state).read(name)
    assert found is not None
    return found


def connect(place: Place, **other: Any) -> psycopg.Connection:
    login = {"user": "lab", "password": place.password, "dbname": "lab", **other}
    return psycopg.connect(host=place.client.host, port=place.client.port, **login)


def ask(place: Place, query: str) -> Any:
    with connect(place) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def nodes(run: Run) -> dict[str, dict[str, Any]]:
    (found,) = json.loads(run("status", "--json").stdout)["clusters"]
    return {node["name"]: node for node in found["nodes"]}


def until(condition: Callable[[], bool], patience_s: float = 300) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


def kill_from_outside(state: Path, runtime: str, name: str, node: str) -> None:
    handle = cluster(state, name).handles[node]
    if runtime == "docker":
        subprocess.run(["docker", "kill", str(handle["id"])], check=True, capture_output=True)
    else:
        os.kill(int(handle["pid"]), signal.SIGKILL)


@first_local("clusters")
def test_replicas_stream_and_durability_is_the_default(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-p", "replicas=3", "-r", runtime)
    places = cluster(state, "replication").places
    primary = places["primary"]
    slots = "SELECT count(*) FROM pg_replication_slots WHERE active"
    assert ask(primary, slots) == 3
    assert ask(primary, "SELECT count(*) FROM pg_stat_replication WHERE state='streaming'") == 3
    settings = ("fsync", "full_page_writes", "synchronous_commit", "password_encryption")
    have = {name: ask(primary, f"SHOW {name}") for name in settings}
    assert have == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "password_encryption": "scram-sha-256",
    }
    with connect(primary) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")
        wanted = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    for name in ("replica1", "replica2", "replica3"):
        replayed = f"SELECT pg_last_wal_replay_lsn() >= '{wanted[0]}'"
        until(lambda name=name, replayed=replayed: ask(places[name], replayed))
        assert ask(places[name], "SELECT x FROM t") == 7
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            ask(places[name], "CREATE TABLE u AS SELECT 1")
    assert all(n["replication"] == "streaming" for n in list(nodes(run).values())[1:])


@pytest.mark.clusters
def test_remote_apply_waits_for_a_delayed_replica(run: Run, state: Path, runtime: str) -> None:
    delay = ("-p", "apply_delay_ms=300", "-p", "replicas=1")
    run("up", "replication", *delay, "-p", "sync=remote_apply", "-r", runtime)
    places = cluster(state, "replication").places
    began = time.monotonic()
    with connect(places["primary"]) as connection:
        connection.execute("CREATE TABLE u (x int)")
    # The commit returned once the replica had applied it, 300 ms late: it is visible there.
    assert time.monotonic() - began >= 0.3
    assert ask(places["replica1"], "SELECT count(*) FROM u") == 0


@first_local("clusters")
def test_the_cache_obeys_its_limit_and_policy(run: Run, state: Path, runtime: str) -> None:
    limits = ("-p", "maxmemory_mb=16", "-p", "policy=allkeys-lfu")
    run("up", "caching", *limits, "-r", runtime)
    place = cluster(state, "caching").places["cache"]
    with redis.Redis(port=place.client.port, password=place.password) as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(16 * 1024**2)}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lfu"}
        for key in range(400):
            client.set(f"k{key}", b"x" * 100_000)
        assert int(client.info("stats")["evicted_keys"]) > 0


@first_local("clusters")
def test_a_killed_node_is_seen_and_comes_back_with_data_and_port(
    run: Run, state: Path, runtime: str
) -> None:
    run("up", "caching", "-r", runtime)
    place = cluster(state, "caching").places["primary"]
    with connect(place) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS x")
    kill_from_outside(state, runtime, "caching", "primary")
    until(lambda: nodes(run)["primary"]["state"] == "exited")
    assert nodes(run)["cache"]["state"] == "running"
    assert "exited" in run("status").stdout
    run("start", "primary")
    assert cluster(state, "caching").places["primary"] == place
    assert ask(place, "SELECT x FROM t") == 42
    run("stop")
    assert {node["state"] for node in nodes(run).values()} == {"stopped"}
    run("start")
    assert {node["state"] for node in nodes(run).values()} == {"running"}
    assert ask(place, "SELECT x FROM t") == 42


@pytest.mark.clusters
def test_a_killed_primary_comes_back_to_its_replicas(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-r", runtime)
    kill_from_outside(state, runtime, "replication", "primary")
    until(lambda: nodes(run)["primary"]["state"] == "exited")
    run("up", "replication", "-r", runtime)  # up again brings back what is not running
    until(lambda: nodes(run)["replica1"].get("replication") == "streaming")
    until(lambda: nodes(run)["replica2"].get("replication") == "streaming")


@pytest.mark.clusters
def test_budgets_are_really_enforced(run: Run, state: Path, runtime: str) -> None:
    run("up", "single", "--cpus", "0.1", "--memory", "128M", "-r", runtime)
    found = cluster(state, "single")
    if not found.budgeted:
        pytest.skip("CPU budgets cannot be had here")
    place = found.places["primary"]
    burn = "SELECT sum(n) FROM generate_series(1, 1500000) n"
    with connect(place) as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        if runtime == "docker":
            top = subprocess.run(
                ["docker", "top", str(found.handles["primary"]["id"]), "-o", "pid,args"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            pid = next(int(x.split()[0]) for x in top.splitlines() if "SELECT" in x or "idle" in x)
        backend = psutil.Process(pid)
        before, began = sum(backend.cpu_times()[:2]), time.monotonic()
        connection.execute(burn)
        share = (sum(backend.cpu_times()[:2]) - before) / (time.monotonic() - began)
    # A tenth of a core, whatever the machine; without a budget it would be near a whole one.
    assert share < 0.2
    assert ask(place, "SHOW shared_buffers") == "32MB"


@pytest.mark.clusters
def test_two_clusters_of_one_topology_side_by_side(run: Run, state: Path, runtime: str) -> None:
    with ThreadPoolExecutor() as pool:
        for done in [
            pool.submit(run, "up", "caching", "--name", name, "-r", runtime) for name in "ab"
        ]:
            done.result()
    one, two = (cluster(state, name).places["primary"] for name in "ab")
    assert one.client != two.client
    with connect(one) as connection:
        connection.execute("CREATE TABLE only_here (x int)")
    assert ask(two, "SELECT to_regclass('only_here')") is None
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(two, password=one.password)
    run("down", "--name", "a")
    assert ask(two, "SELECT 1") == 1
    run("down", "--name", "b")


@pytest.mark.clusters
def test_two_ups_of_one_name_at_once(run: Run, state: Path, runtime: str) -> None:
    command = [sys.executable, "-m", "scalelab", "up", "replication", "-r", runtime]
    ups = [
        subprocess.Popen(
            command, env=environment(state), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    said = [up.communicate(timeout=300)[1].decode() for up in ups]
    codes = [up.returncode for up in ups]
    assert sorted(codes) in ([0, 1], [0, 0]), said
    if codes != [0, 0]:  # else the second came so late that it found it up
        assert "another scalelab" in said[codes.index(1)]
    assert {node["state"] for node in nodes(run).values()} == {"running"}


@first_local("clusters")
def test_nothing_listens_beyond_loopback(run: Run, state: Path, runtime: str) -> None:
    run("up", "caching", "-r", runtime)
    ports = {place.client.port for place in cluster(state, "caching").places.values()}
    listening = {c.laddr for c in psutil.net_connections("inet") if c.status == "LISTEN"}
    ours = {address for address in listening if address.port in ports}
    assert {address.ip for address in ours} == {"127.0.0.1"}
    assert {address.port for address in ours} == ports


@pytest.mark.clusters
def test_passwords_stay_secret(run: Run, state: Path, runtime: str) -> None:
    run("up", "caching", "-r", runtime)
    found = cluster(state, "caching")
    secret = found.places["primary"].password
    shown = run("up", "caching", "-r", runtime).stdout + run("status").stdout
    for node in found.places:
        shown += run("logs", node).stdout
    for process in psutil.process_iter(["cmdline"]):
        shown += " ".join(process.info["cmdline"] or [])
    assert secret not in shown
    for path in [state, *state.rglob("*")]:
        if path.is_file() and secret.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
    assert state.stat().st_mode & 0o077 == 0
    for place in found.places.values():
        if place.node.service == "postgres":
            for wrong in ("wrong", ""):
                with pytest.raises(psycopg.OperationalError, match=r"password|authentication"):
                    connect(place, password=wrong)
        else:
            for password in ("wrong", None):
                with (
                    redis.Redis(port=place.client.port, password=password) as client,
                    pytest.raises((redis.AuthenticationError, redis.ResponseError)),
                ):
                    client.ping()


@first_local("clusters")
def test_down_removes_by_label_what_the_ledger_does_not_know(
    run: Run, state: Path, runtime: str
) -> None:
    run("up", "caching", "-r", runtime)
    (state / "clusters" / "caching.json").unlink()
    assert leftovers(state, patience_s=0) != []
    assert "leftovers removed" in run("down", "--all").stdout
    assert leftovers(state) == []


@pytest.mark.clusters
def test_a_users_own_shell_in_the_folder_survives(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    folder = state / "nodes" / "single" / "primary" / "data"
    shell = subprocess.Popen(["sh", "-c", "read line"], cwd=folder, stdin=subprocess.PIPE)
    try:
        run("down")
        assert shell.poll() is None
    finally:
        shell.communicate(b"\n")
