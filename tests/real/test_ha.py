"""Servers that choose by themselves who leads: on real ones, with the leader crashed and killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from scalelab.model import Place
from tests.conftest import Run, environment, leftovers
from tests.real.test_cluster import ask, cluster, connect, nodes, until

_MOMENTS = 3


def leaders(run: Run) -> list[str]:
    return [node["name"] for node in nodes(run).values() if node["role"] == "primary"]


def another_leads(run: Run, former: str) -> str:
    until(lambda: leaders(run) not in ([], [former]))
    (leader,) = leaders(run)
    return leader


def must_be_whole(run: Run, state: Path, rows: list[int]) -> None:
    """One leads, the other follows it, waits and all: by status, and by the servers themselves."""
    found = nodes(run)
    (leader,) = leaders(run)
    (other,) = (name for name in ("pg1", "pg2") if name != leader)
    assert (found[other]["role"], found[other]["follows"]) == ("replica", leader)
    assert found[other]["replication"] == "streaming"
    places = cluster(state, "ha").places
    assert ask(places[leader], "SHOW synchronous_standby_names") == other
    until(lambda: ask(places[other], "SELECT array_agg(x ORDER BY x) FROM t") == rows)


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


def test_it_fails_over_by_itself_and_loses_nothing(run: Run, state: Path) -> None:
    run("up", "ha", "-p", "replicas=1", "-p", "sync=on", "-r", "local")
    places = cluster(state, "ha").places
    (first,) = leaders(run)
    write(places[first], 1)
    must_be_whole(run, state, [1])

    # Whoever has no password changes nothing: not who leads, nor what the servers run.
    etcd, member = places["etcd1"], places["pg1"]
    assert refused(etcd, f"{etcd.client}/v3/kv/put", "POST") == 400
    assert refused(member, f"{member.control}/config", "PATCH") == 401

    said = json.loads(run("fault", "crash", "leader", "--json").stdout)
    assert said["target"] == first
    second = another_leads(run, first)
    write(places[second], 2)
    run("fault", "heal")
    must_be_whole(run, state, [1, 2])
    assert leaders(run) == [second]  # the former one follows, nobody asked it to lead again

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


def test_an_up_killed_at_any_moment_leaves_nothing(run: Run, state: Path) -> None:
    seed = time.time_ns() % 2**32
    print(f"seed {seed}")  # pytest shows it when the test fails
    drawn = random.Random(seed)
    for _ in range(_MOMENTS):
        tool = subprocess.Popen(
            [sys.executable, "-m", "scalelab", "up", "ha", "-r", "local"],
            env=environment(state),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # The moment of the kill is the experiment, not a synchronisation.
        time.sleep(drawn.uniform(0.5, 8))
        tool.send_signal(signal.SIGKILL)
        tool.wait()
        run("down", "--all")
        assert leftovers(state) == []


@pytest.mark.docker
def test_without_an_image_it_says_so(run: Run, docker_ready: None) -> None:
    lack = run("up", "ha", "-r", "docker", code=4).stderr
    assert "there is no image of etcd here" in lack
    assert "--runtime local" in lack
