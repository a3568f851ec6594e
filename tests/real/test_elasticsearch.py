"""Elasticsearch beside PostgreSQL on each runtime: its life, and three nodes that lose one."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError

from scalelab import elastic
from scalelab.model import Node, Place
from scalelab.runtimes import processes
from scalelab.services.elasticsearch import SERVICE
from tests.conftest import SERVERS, Run, leftovers
from tests.real.test_cluster import ask, cluster, kill_from_outside, nodes, until

_DOCUMENTS = 200


def put(place: Place, index: str, count: int) -> None:
    lines = [
        line
        for number in range(count)
        for line in ({"index": {"_id": str(number)}}, {"number": number})
    ]
    with elastic.connect(place, 60) as client:
        answer = client.bulk(index=index, operations=lines, refresh=True)
        assert answer["errors"] is False


def count(place: Place, index: str) -> int:
    with elastic.connect(place, 60) as client:
        client.indices.refresh(index=index)
        return int(client.count(index=index)["count"])


def _counted(place: Place, index: str) -> int | None:
    """The same where a node may not know yet that another is gone: None then."""
    with contextlib.suppress(ApiError, TransportError):
        return count(place, index)
    return None


def health(place: Place) -> dict[str, Any]:
    with elastic.connect(place, 60) as client:
        return dict(client.cluster.health().body)


def refused(place: Place) -> int:
    """The status with which a request without a password is turned away."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{place.client}/_cluster/health", timeout=10)
    with caught.value as answer:
        return answer.code


@pytest.mark.search
def test_one_node_beside_postgres(run: Run, state: Path, search_runtime: str) -> None:
    said = run("up", "search", "-r", search_runtime).stdout
    assert "1.00 CPU and 1" in said
    places = cluster(state, "search").places
    search = places["search"]
    assert ask(places["primary"], "SELECT 1") == 1
    put(search, "things", _DOCUMENTS)
    assert health(search)["number_of_nodes"] == 1
    assert refused(search) == 401
    assert search.password in run("url", "search").stdout
    if search_runtime == "docker":
        node = str(cluster(state, "search").handles["search"]["id"])
        _must_be_healthy(node, search.password, 0)
        _must_be_healthy(node, "wrong", 1)
    else:
        _no_secret_shows(state, search)
    before = cluster(state, "search")
    assert "search is up" in run("up", "search", "-r", search_runtime).stdout  # again: a no-op
    assert cluster(state, "search").handles == before.handles

    # A restart keeps documents and port; a kill is told from a stop.
    run("stop", "search")
    assert nodes(run)["search"]["state"] == "stopped"
    run("start", "search")
    assert count(search, "things") == _DOCUMENTS
    kill_from_outside(state, search_runtime, "search", "search")
    until(lambda: nodes(run)["search"]["state"] == "exited")
    run("start", "search")
    assert count(search, "things") == _DOCUMENTS

    # A fault proves itself here as on any node.
    run("fault", "pause", "search")
    assert nodes(run)["search"]["state"] == "paused"
    run("fault", "heal")
    assert count(search, "things") == _DOCUMENTS
    run("down")
    assert leftovers(state) == []


def _must_be_healthy(container: str, password: str, code: int) -> None:
    """The test that Compose would run succeeds in the container, or fails."""
    test = SERVICE.health(Node("search", "elasticsearch", "search"))
    command = ["docker", "exec", "-e", "SCALELAB_PASSWORD", container, "sh", "-c", test]
    environment = {**os.environ, "SCALELAB_PASSWORD": password}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr


def _no_secret_shows(state: Path, place: Place) -> None:
    for process in psutil.process_iter():
        try:
            assert place.password not in " ".join(process.cmdline())
        except psutil.Error:
            continue
    for folder in state.glob("nodes/*/*"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in (folder / "conf").glob("users"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert place.password not in (folder / "log").read_text(errors="replace")


def need_many_files(runtime: str) -> None:
    """Skip where containers may open fewer files than a cluster of several nodes asks for."""
    if runtime == "docker" and (limit := _open_files()) < 65_535:
        pytest.skip(f"containers may open {limit} files here, and a cluster of several wants 65535")


def _open_files() -> int:
    image = SERVICE.image.offline
    command = ["docker", "run", "--rm", "--network", "none", image, "sh", "-c", "ulimit -Hn"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return int(said) if said.strip().isdigit() else 2**31


@pytest.mark.search
@pytest.mark.timeout(1800)
def test_three_nodes_lose_their_master_and_no_document(
    run: Run, state: Path, search_runtime: str
) -> None:
    need_many_files(search_runtime)
    run("up", "search", "-p", "nodes=3", "-r", search_runtime)
    places = cluster(state, "search").places
    servers = {place.node.name: place for place in elastic.nodes(places)}
    assert sorted(servers) == ["search1", "search2", "search3"]
    (master,) = [name for name, node in nodes(run).items() if node["role"] == "master"]
    with elastic.connect(servers[master], 60) as client:
        shards = {"number_of_shards": 3, "number_of_replicas": 1}
        client.indices.create(index="things", settings=shards, wait_for_active_shards="all")
    put(servers[master], "things", _DOCUMENTS)

    said = json.loads(run("fault", "kill", "leader", "--json").stdout)
    assert said["target"] == master
    others = [place for name, place in servers.items() if name != master]
    until(lambda: _counted(others[0], "things") == _DOCUMENTS)
    until(lambda: health(others[1])["number_of_nodes"] == 2)
    put(others[1], "more", 10)  # what is left goes on taking writes
    assert health(others[0])["number_of_nodes"] == 2
    run("fault", "heal")
    until(lambda: health(servers[master])["status"] == "green")
    assert health(servers[master])["number_of_nodes"] == 3
    assert count(servers[master], "things") == _DOCUMENTS
    run("down")
    assert leftovers(state) == []


@pytest.mark.search
def test_a_node_whose_parent_was_killed_is_found_and_ended(
    run: Run, state: Path, java_ready: None
) -> None:
    """The server is a child of a launcher: what is left of it must not outlive ``down``."""
    run("up", "search", "-r", "local")
    folder = state / "nodes" / "search" / "search"
    launcher = psutil.Process(int(cluster(state, "search").handles["search"]["pid"]))
    children = [(each.pid, each.create_time()) for each in launcher.children(recursive=True)]
    assert children
    launcher.kill()
    run("down", "--all")
    assert not any(processes.alive(*child) for child in children)
    assert processes.working_in(folder, SERVERS) == []
    assert leftovers(state) == []


def test_too_little_memory_and_no_java_are_said(run: Run, java_ready: None, tmp_path: Path) -> None:
    done = run("up", "search", "-r", "local", "--memory", "128M", code=4)
    assert "too little for an Elasticsearch node" in done.stderr
    assert "--memory 1G" in done.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    for tool in ("unshare", "sh", "git"):
        (empty / tool).symlink_to(os.path.realpath(f"/usr/bin/{tool}"))
    done = run(
        "up", "search", "-r", "local", code=4, PATH=str(empty), JAVA_HOME="", ES_JAVA_HOME=""
    )
    assert "Java" in done.stderr
    assert "Traceback" not in done.stderr
