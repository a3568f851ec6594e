"""Servers that choose by themselves who leads: on real ones, with the leader crashed and killed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest

from scalelab.model import Place
from scalelab.services.etcd import SERVICE as ETCD
from scalelab.services.patroni import SERVICE as PATRONI
from tests.conftest import Run, environment, images_are_here, leftovers
from tests.real.test_cluster import ask, cluster, connect, nodes, until


def leaders(run: Run) -> list[str]:
    return [node["name"] for node in nodes(run).values() if node["role"] == "primary"]


def another_leads(run: Run, former: str) -> str:
    found: list[str] = []

    def leads() -> bool:
        found[:] = leaders(run)
        return len(found) == 1 and found != [former]

    until(leads)
    return found[0]


def must_be_whole(run: Run, state: Path, rows: list[int]) -> None:
    """One leads, the other follows it, waits and all: by status, and by the servers themselves.

    Waited for: on a busy machine a leader may lose its lease, and with it its place, any time.
    """
    until(lambda: is_whole(run, state, rows))


def is_whole(run: Run, state: Path, rows: list[int]) -> bool:
    found = nodes(run)
    roles = {name: found[name]["role"] for name in ("pg1", "pg2")}
    if sorted(map(str, roles.values())) != ["primary", "replica"]:
        return False
    leader, other = sorted(roles, key=lambda name: roles[name] == "replica")
    follower = found[other]
    if (follower["follows"], follower["replication"]) != (leader, "streaming"):
        return False
    places = cluster(state, "ha").places
    try:
        waits_for = ask(places[leader], "SHOW synchronous_standby_names")
        received = ask(places[other], "SELECT array_agg(x ORDER BY x) FROM t")
    except psycopg.Error:  # the table, for one, is in the replica's log before it is a table there
        return False
    return (follower["synchronous"], waits_for, received) == (True, other, rows)


def write(place: Place, row: int) -> None:
    with connect(place) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (x int)")
        connection.execute("INSERT INTO t VALUES (%s)", (row,))


def refused(place: Place, path: str, method: str) -> int:
    """The status with which a request without a password is turned away."""
    request = urllib.request.Request(
        f"http://{path}", b"{}", {"Content-Type": "application/json"}, method=method
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as answer:
        return answer.code


@pytest.fixture
def ha_runtime(runtime: str) -> str:
    """Each runtime in turn, with what Patroni and etcd need there."""
    if runtime == "docker":
        images_are_here(*((s.image.default, s.image.offline) for s in (PATRONI, ETCD)))
    return runtime


def test_another_leads_once_the_leader_has_crashed(run: Run, state: Path) -> None:
    run("up", "ha", "-p", "replicas=1", "-p", "sync=on", "-r", "local")
    (first,) = leaders(run)
    write(cluster(state, "ha").places[first], 1)
    must_be_whole(run, state, [1])
    said = json.loads(run("fault", "crash", "leader", "--json").stdout)
    assert said["target"] == first
    another_leads(run, first)
    run("fault", "heal")
    must_be_whole(run, state, [1])
    run("down")
    assert leftovers(state) == []


@pytest.mark.failover
def test_it_fails_over_by_itself_and_loses_nothing(run: Run, state: Path, ha_runtime: str) -> None:
    run("up", "ha", "-p", "replicas=1", "-p", "sync=on", "-r", ha_runtime)
    places = cluster(state, "ha").places
    (first,) = leaders(run)
    write(places[first], 1)
    must_be_whole(run, state, [1])

    # Whoever has no password changes nothing: not who leads, nor what the servers run.
    etcd, member = places["etcd1"], places["pg1"]
    assert refused(etcd, f"{etcd.client}/v3/kv/put", "POST") == 400
    if ha_runtime == "local":  # in containers it is in their network alone
        assert refused(member, f"{member.control}/config", "PATCH") == 401

    said = json.loads(run("fault", "crash", "leader", "--json").stdout)
    assert said["target"] == first
    second = another_leads(run, first)
    write(places[second], 2)
    run("fault", "heal")
    must_be_whole(run, state, [1, 2])

    # With a node its Patroni is gone too: nobody knows before the lease is over.
    run("stop", second, "--kill")
    third = another_leads(run, second)
    write(places[third], 3)
    run("start")
    must_be_whole(run, state, [1, 2, 3])

    run("stop")
    assert {node["state"] for node in nodes(run).values()} == {"stopped"}
    run("start")
    must_be_whole(run, state, [1, 2, 3])
    refusal = run("promote", "pg1", code=2).stderr
    assert "choose by themselves who leads" in refusal
    run("down")
    assert leftovers(state) == []


@pytest.mark.failover
def test_a_first_member_that_does_not_get_on_is_started_again(run: Run, state: Path) -> None:
    until(lambda: comes_up_held_up(run, state))
    found = nodes(run)
    assert sorted(found[name]["role"] for name in ("pg1", "pg2")) == ["primary", "replica"]
    run("down")
    assert leftovers(state) == []


def comes_up_held_up(run: Run, state: Path) -> bool:
    """Whether `up` has seen a Patroni give up; it must come up in any case."""
    tool = subprocess.Popen(
        [sys.executable, "-m", "scalelab", "up", "ha", "-p", "replicas=1", "-r", "local"],
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: tool.poll() is not None or hold_up(state))
    _, said = tool.communicate()
    assert tool.returncode == 0, said
    logs = [log.read_text() for log in state.glob("nodes/ha/pg*/log")]
    gave_up = any("Failed to bootstrap cluster" in log for log in logs)
    if not gave_up:  # we were too late
        run("down")
    return gave_up


def hold_up(state: Path) -> bool:
    """Once: keep a new server's users from being changed for longer than Patroni waits for that."""
    held = False
    for file in state.glob("nodes/ha/pg*/conf/patroni.json"):
        # There is no server yet, or no more: our session ends with it.
        with contextlib.suppress(psycopg.OperationalError, json.JSONDecodeError):
            known = json.loads(file.read_text())["postgresql"]
            host, port = known["listen"].split(":")
            password = known["authentication"]["superuser"]["password"]
            # The database of the lab comes later.
            login = {"user": "lab", "password": password, "dbname": "postgres"}
            with psycopg.connect(host=host, port=port, **login) as connection:
                connection.execute("LOCK TABLE pg_authid IN SHARE MODE")
                held = True
                connection.execute("SELECT pg_sleep(4)")
        if held:
            break
    return held
