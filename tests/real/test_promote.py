"""A replica takes its primary's place: nothing lost by a hand-over, the unsent by a crash."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from scalelab.model import Place
from tests.conftest import Run, first_local
from tests.real.crashes import drawn, killed, steps, told
from tests.real.test_cluster import ask, cluster, connect, kill_from_outside, nodes, until

_LEADS = "SELECT NOT pg_is_in_recovery()"


def places(state: Path) -> dict[str, Place]:
    return dict(cluster(state, "replication").places)


def write(place: Place, row: int) -> None:
    with connect(place) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (x int)")
        connection.execute("INSERT INTO t VALUES (%s)", (row,))


def rows(place: Place) -> list[int]:
    with connect(place) as connection:
        return sorted(row[0] for row in connection.execute("SELECT x FROM t"))


def has(place: Place, wanted: list[int]) -> bool:
    """Whether a server has just these rows; the table may be on its way as well."""
    try:
        return rows(place) == wanted
    except psycopg.errors.UndefinedTable:
        return False


def stop_receiving(place: Place) -> None:
    """Cut a replica off its primary, as a broken link would."""
    with connect(place, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: ask(place, "SELECT count(*) FROM pg_stat_wal_receiver") == 0)
    with connect(place, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET primary_conninfo")  # mended at the next reload


def must_be_led_by(run: Run, state: Path, leader: str) -> None:
    """One leads, all others stream from it, and the ledger, the servers and status agree."""
    found = places(state)
    others = [name for name in found if name != leader]
    assert {name: ask(place, _LEADS) for name, place in found.items()} == {
        leader: True,
        **dict.fromkeys(others, False),
    }
    until(lambda: all(nodes(run)[name].get("replication") == "streaming" for name in others))
    now = nodes(run)
    assert now[leader]["role"] == "primary"
    assert {now[name]["follows"] for name in others} == {leader}
    names = "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots"
    assert ask(found[leader], names) == " ".join(sorted(others))
    for name in others:
        until(lambda name=name: has(found[name], rows(found[leader])))
        assert ask(found[name], names) is None  # an unused slot would hold back WAL for ever


@first_local("failover")
def test_a_hand_over_loses_nothing_and_goes_back(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-r", runtime)
    before = places(state)
    write(before["primary"], 1)
    said = run("promote", "replica1").stdout
    assert "handed over everything" in said
    assert {name: place.client for name, place in places(state).items()} == {
        name: place.client for name, place in before.items()
    }
    must_be_led_by(run, state, "replica1")
    write(places(state)["replica1"], 2)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        write(places(state)["primary"], 3)
    run("promote", "primary")
    must_be_led_by(run, state, "primary")
    assert rows(places(state)["primary"]) == [1, 2]
    run("stop")
    run("start")
    must_be_led_by(run, state, "primary")


@pytest.mark.failover
def test_a_crash_loses_what_was_not_sent(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-r", runtime)
    found = places(state)
    write(found["primary"], 1)
    for name in ("replica1", "replica2"):
        until(lambda name=name: has(found[name], [1]))
        stop_receiving(found[name])
    write(found["primary"], 2)  # acknowledged, and nowhere else
    kill_from_outside(state, runtime, "replication", "primary")
    until(lambda: nodes(run)["primary"]["state"] == "exited")
    assert "is lost" in run("promote", "replica1").stdout
    must_be_led_by(run, state, "replica1")
    write(places(state)["replica1"], 3)
    until(lambda: has(places(state)["primary"], [1, 3]))


@pytest.mark.failover
def test_who_lacks_what_another_has_cannot_lead(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-r", runtime)
    found = places(state)
    write(found["primary"], 1)
    until(lambda: has(found["replica1"], [1]))
    stop_receiving(found["replica1"])
    write(found["primary"], 2)
    until(lambda: has(found["replica2"], [1, 2]))
    refused = run("promote", "replica1", code=2).stderr
    assert "replica2 has received" in refused
    assert "scalelab promote replica2" in refused
    assert nodes(run)["primary"]["state"] == "running"  # it was only asked to hand over
    kill_from_outside(state, runtime, "replication", "primary")
    until(lambda: nodes(run)["primary"]["state"] == "exited")
    assert "replica2 has received" in run("promote", "replica1", code=2).stderr
    run("promote", "replica2")
    must_be_led_by(run, state, "replica2")
    assert rows(places(state)["replica2"]) == [1, 2]


@pytest.mark.failover
def test_synchronous_standbys_change_names(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-p", "sync=remote_apply", "-r", runtime)
    run("promote", "replica2")
    leader = places(state)["replica2"]
    assert ask(leader, "SHOW synchronous_standby_names") == "FIRST 2 (replica1, primary)"
    write(leader, 1)
    assert rows(places(state)["primary"]) == rows(places(state)["replica1"]) == [1]
    assert ask(places(state)["primary"], "SHOW synchronous_standby_names") == ""


@pytest.mark.failover
@pytest.mark.timeout(3600)  # with as many moments as a hunt asks for
def test_a_promotion_cut_short_is_finished(run: Run, state: Path, runtime: str) -> None:
    run("up", "replication", "-p", "replicas=1", "-r", runtime)
    write(places(state)["primary"], 1)
    every = steps(state, "promote", "replica1")
    must_be_led_by(run, state, "replica1")
    heir = "primary"
    for step in drawn(every, 4, "promote", runtime):
        with told(step, "promote", heir):
            killed(state, step, "promote", heir)
            run("start")
            leader = next(n["name"] for n in nodes(run).values() if n["role"] == "primary")
            must_be_led_by(run, state, leader)
            run("promote", heir)
            must_be_led_by(run, state, heir)
        heir = next(name for name in places(state) if name != heir)
    assert rows(places(state)["primary"]) == [1]


@pytest.mark.failover
def test_what_cannot_be_promoted_says_so(run: Run, state: Path) -> None:
    assert "no cluster is up" in run("promote", "replica1", code=2).stderr
    run("up", "caching", "-r", "local")
    assert "follows no node" in run("promote", "cache", code=2).stderr
    assert "follows no node" in run("promote", "primary", code=2).stderr
    assert "there is no node" in run("promote", "prmary", code=2).stderr
    run("down")
    run("up", "replication", "-p", "replicas=1", "-r", "local")
    assert "leads already" in run("promote", "primary").stdout
    run("stop", "replica1")
    assert "does not answer" in run("promote", "replica1", code=2).stderr
    assert nodes(run)["primary"]["state"] == "running"
