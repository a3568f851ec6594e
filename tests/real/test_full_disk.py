"""A full disk on real servers: writes are refused, the server may end, and nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests.conftest import Run, first_local, leftovers
from tests.real.test_cluster import cluster, connect, nodes, until
from tests.real.test_faults import begin, injected, on

_ROWS = "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 1000)"


@pytest.fixture
def up(run: Run, runtime: str) -> Callable[[str], None]:
    """Bring a topology up whose nodes have disks of their own."""
    if runtime == "local" and os.geteuid() != 0:
        pytest.skip("only root may mount; what others are told is in test_nonroot.py")
    return lambda topology: run("up", topology, "-r", runtime, "--disk", "256M") and None


def fill_the_log(session: psycopg.Connection) -> None:
    """Use segment after segment of the log, until there is none."""
    while True:
        session.execute("SELECT pg_switch_wal()")
        session.execute("SELECT pg_logical_emit_message(true, 'x', 'x')")


@first_local("clusters")
def test_a_full_disk(run: Run, state: Path, up: Callable[[str], None]) -> None:
    up("single")
    place = cluster(state, "single").places["primary"]
    with connect(place, autocommit=True) as session:
        session.execute("CREATE TABLE t (x text)")
        session.execute(_ROWS)
        measured = injected(run, "fill-disk", "primary")["measured"]
        assert measured["before"]["write_ms"] > 0
        assert 100e6 < measured["before"]["free_bytes"] < 256 * 1024**2
        full = {"write_ms": None, "free_bytes": 0, "said": "No space left on device"}
        assert measured["during"] == full
        with pytest.raises(psycopg.errors.DiskFull):
            session.execute(_ROWS)
        run("fault", "heal")
        session.execute(_ROWS)

        # Out of space for its log the server ends, and even then nothing acknowledged is lost.
        run("fault", "fill-disk", "primary")
        with pytest.raises(psycopg.OperationalError):
            fill_the_log(session)
    until(lambda: nodes(run)["primary"]["state"] == "exited")
    assert on(run) == ["f1"]
    healed = json.loads(run("fault", "heal", "--json").stdout)["faults"][0]["measured"]["healed"]
    assert healed["free_bytes"] > 100e6
    with connect(place, autocommit=True) as session:
        assert session.execute("SELECT count(*) FROM t").fetchone() == (2000,)
        session.execute(_ROWS)
    run("down")
    assert leftovers(state) == []


@pytest.mark.clusters
def test_what_is_killed_or_stopped_meanwhile(
    run: Run, state: Path, up: Callable[[str], None]
) -> None:
    up("caching")
    # A cache persists nothing and goes on; what it is asked to save is refused.
    with redis.Redis.from_url(run("url", "cache").stdout.strip()) as cache:
        cache.set("key", "value")
        run("fault", "fill-disk", "cache")
        assert cache.set("key", "other")
        with pytest.raises(redis.ResponseError):
            cache.save()
    run("fault", "heal")
    tool = begin(state, "fault", "fill-disk", "primary", "--for", "1h")
    assert tool.stdout is not None
    assert "fill-disk primary is on (f1)" in tool.stdout.readline()
    tool.kill()
    tool.wait()
    tool.stdout.close()
    assert "healed fill-disk of primary (caching): its scalelab is gone" in run("status").stderr
    place = cluster(state, "caching").places["primary"]
    with connect(place, autocommit=True) as session:
        session.execute("CREATE TABLE t (x text)")
        session.execute(_ROWS)
    # A disk stays full, and keeps what is on it, whatever becomes of the server.
    run("fault", "fill-disk", "primary")
    run("stop", "primary", "--kill")
    assert on(run) == ["f1"]
    assert "does not answer" in run("fault", "heal", code=1).stderr
    run("start")
    with connect(place) as session:
        assert session.execute("SELECT count(*) FROM t").fetchone() == (1000,)


@pytest.mark.clusters
@pytest.mark.parametrize("runtime", ["local"])
def test_on_a_timeline(run: Run, tmp_path: Path, up: Callable[[str], None], runtime: str) -> None:
    up("single")
    run(
        *("bench", "sharding", "--variants", "single", "--runtime", runtime, "--duration", "8"),
        *("--quick", "--rounds", "1", "--disk", "256M", "--json", "run.json"),
        *("--fault", "fill-disk primary @1s for 1500ms"),
        code=None,
    )
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["budget"]["disk_bytes"] == 256 * 1024**2
    (found,) = document["variants"]
    (full,) = found["struck"]
    assert full["until_s"] - full["at_s"] >= 1.5
    assert found["errors"]
