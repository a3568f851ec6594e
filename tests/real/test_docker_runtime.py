"""Real containers: their life, their limits, what others can see of them, and their removal."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from docker import DockerClient

from scalelab import catalog
from scalelab.errors import EnvironmentLacks, PortTaken
from scalelab.model import Budget, Place
from tests.real.docker_fixtures import (
    CACHE,
    NOTHING,
    SINGLE,
    Lab,
    daemon,
    lab,
    new_lab,
    until,
)

__all__ = ["daemon", "lab", "new_lab"]
pytestmark = [pytest.mark.docker, pytest.mark.clusters]


def _connect(place: Place, password: str | None = None) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=place.client.host,
        port=place.client.port,
        user="lab",
        password=password or place.password,
        dbname="lab",
        autocommit=True,
    )


# --- life ----------------------------------------------------------------------------------------


def test_data_and_port_survive_stop_and_kill(lab: Lab) -> None:
    places = lab.up("c", SINGLE)
    primary = places["primary"]
    with _connect(primary) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for kill, detail in ((False, "exit code 0"), (True, "exit code 137 (SIGKILL)")):
        lab.stop(primary, kill=kill)
        state = lab.runtime.state(primary, lab.handles["primary"])
        assert (state.state, state.detail, state.uptime_s) == ("exited", detail, None)
        lab.stop(primary, kill=kill)  # again is harmless
        lab.start(primary, places)
        lab.answers(primary, places)
        with _connect(primary) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_replicas_find_their_primary_by_name(lab: Lab) -> None:
    places = lab.up("c", catalog.topology("replication", {"replicas": 2}))
    with _connect(places["primary"]) as connection:
        rows = connection.execute("SELECT application_name, state FROM pg_stat_replication")
        assert sorted(rows) == [("replica1", "streaming"), ("replica2", "streaming")]


def test_a_wrong_password_is_refused(lab: Lab) -> None:
    primary = lab.up("c", SINGLE)["primary"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _connect(primary, password="wrong")


def test_an_interrupted_preparation_starts_over(lab: Lab) -> None:
    places = lab.reserve("c", SINGLE)
    lab.runtime.begin("c")
    lab.start(places["primary"], places)
    lab.stop(places["primary"], kill=True)
    lab.start(places["primary"], places)
    lab.answers(places["primary"], places)


def test_state_knows_uptime_memory_and_pauses(lab: Lab) -> None:
    began = time.time()
    cache = lab.up("c", CACHE)["cache"]
    state = lab.runtime.state(cache, lab.handles["cache"])
    assert state.state == "running"
    assert state.uptime_s is not None
    assert 0 <= state.uptime_s <= time.time() - began
    memory = lab.runtime.memory(cache, lab.handles["cache"])
    assert memory is not None
    assert 500_000 < memory < 256 * 1024**2
    for kill in (False, True):
        lab.daemon.api.pause(lab.inspect(cache)["Id"])
        assert lab.state(cache) == "paused"
        lab.stop(cache, kill=kill)
        assert lab.state(cache) == "exited"
        lab.start(cache, {"cache": cache})
        lab.answers(cache, {"cache": cache})


def test_a_node_that_never_started_is_stopped(lab: Lab) -> None:
    cache = lab.reserve("c", CACHE)["cache"]
    assert lab.runtime.state(cache, None).state == "stopped"
    assert list(lab.runtime.logs(cache, 5)) == []


def test_a_node_removed_by_others_is_seen_and_comes_back(lab: Lab) -> None:
    places = lab.up("c", CACHE)
    lab.daemon.api.remove_container(lab.inspect(places["cache"])["Id"], force=True, v=True)
    state = lab.runtime.state(places["cache"], lab.handles["cache"])
    assert (state.state, state.detail) == ("exited", "its container is gone")
    lab.start(places["cache"], places)
    lab.answers(places["cache"], places)


def test_a_server_that_dies_is_exited_and_its_log_says_why(lab: Lab) -> None:
    places = lab.reserve("c", CACHE)
    lab.runtime.begin("c")
    broken = catalog.services["redis"].launch(places["cache"], places)
    files = {"cache.conf": "no-such-directive yes\n"}
    lab.handles["cache"] = lab.runtime.start(
        places["cache"], type(broken)(run=broken.run, files=files)
    )
    until(lambda: lab.state(places["cache"]) == "exited", "the server ends")
    assert "no-such-directive" in "\n".join(lab.runtime.logs(places["cache"], 20))


def test_logs_follow_until_the_end(lab: Lab) -> None:
    cache = lab.up("c", CACHE)["cache"]
    last = list(lab.runtime.logs(cache, 1))
    assert len(last) == 1
    assert "Ready to accept connections" in last[0]
    seen: list[str] = []
    began = threading.Event()

    def read() -> None:
        for line in lab.runtime.logs(cache, 1, follow=True):
            seen.append(line)
            began.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert began.wait(300)
    lab.stop(cache)
    reader.join(300)
    assert not reader.is_alive()
    assert any("bye bye" in line for line in seen)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "period", "quota"), [(0.2, 10_000, 2_000), (0.05, 20_000, 1_000), (None, 0, 0)]
)
def test_budgets_are_applied_after_each_boot(
    lab: Lab, cpus: float | None, period: int, quota: int
) -> None:
    memory = 128 * 1024**2
    places = lab.up("c", CACHE, Budget(cpus, memory))
    cache = places["cache"]

    def limits() -> tuple[int, int, int, int]:
        host = lab.inspect(cache)["HostConfig"]
        return host["CpuPeriod"], host["CpuQuota"], host["Memory"], host["MemorySwap"]

    assert limits() == (0, 0, memory, memory)
    assert lab.runtime.limit(cache)
    assert limits() == (period, quota, memory, memory)
    lab.stop(cache)
    lab.start(cache, places)
    assert limits() == (period, -1 if cpus else 0, memory, memory)  # none, again, for the boot
    assert lab.runtime.limit(cache)
    assert limits() == (period, quota, memory, memory)


def test_the_kernel_has_the_quota(lab: Lab) -> None:
    cache = lab.up("c", CACHE, Budget(0.3, None))["cache"]
    assert lab.runtime.limit(cache)
    script = (
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null"
        " || cat /sys/fs/cgroup/cpu.max"
    )
    container = lab.daemon.containers.get(lab.inspect(cache)["Id"])
    _, output = container.exec_run(["sh", "-c", script])
    assert output.split() == [b"3000", b"10000"]


# --- what others can see -------------------------------------------------------------------------


def test_published_on_loopback_only(lab: Lab) -> None:
    places = lab.up("c", CACHE)
    bindings = lab.inspect(places["cache"])["NetworkSettings"]["Ports"]
    port = str(places["cache"].client.port)
    assert bindings == {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}


def test_no_secret_in_what_docker_shows(lab: Lab) -> None:
    places = lab.up("c", catalog.topology("caching"))
    for place in places.values():
        assert place.password not in json.dumps(lab.inspect(place))
        assert place.password not in "\n".join(lab.runtime.logs(place, 1000))
        chunks, _ = lab.daemon.api.get_archive(lab.inspect(place)["Id"], place.conf_dir)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            members = list(tar)
        assert {member.uid for member in members} == {999}
        assert {m.mode & 0o777 for m in members if m.isfile()} == {0o600}
        assert members[0].mode & 0o777 == 0o700


def test_servers_run_without_root_and_capabilities(lab: Lab) -> None:
    cache = lab.up("c", CACHE)["cache"]
    container = lab.daemon.containers.get(lab.inspect(cache)["Id"])
    _, output = container.exec_run(
        ["sh", "-c", "grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/1/status"]
    )
    found = dict(line.split(b":") for line in output.splitlines())
    assert found[b"Uid"].split() == [b"999"] * 4
    assert int(found[b"CapEff"], 16) == 0
    assert int(found[b"NoNewPrivs"]) == 1


def test_the_client_runs_in_the_container_with_the_secret_in_its_environment(lab: Lab) -> None:
    places = lab.up("c", catalog.topology("caching"))
    asked = {"primary": (["-Atc", "SELECT 41 + 1"], "42"), "cache": (["ping"], "PONG")}
    for name, (arguments, answer) in asked.items():
        command, environment = lab.runtime.client(places[name])
        assert places[name].password not in " ".join(command)
        done = subprocess.run(
            [*command, *arguments],
            env={"PATH": "/usr/bin:/bin", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == answer, done.stderr


# --- removal -------------------------------------------------------------------------------------


def test_removal_takes_a_cluster_and_nothing_else(new_lab: Callable[..., Lab]) -> None:
    mine, other = new_lab(), new_lab()
    mine.up("one", CACHE)
    kept = mine.up("two", CACHE)
    theirs = other.up("one", CACHE)
    before = other.everything()
    assert mine.runtime.strays() == {"one", "two"}
    mine.runtime.remove("one")
    assert mine.runtime.strays() == {"two"}
    assert catalog.services["redis"].ready(kept["cache"], kept)
    assert catalog.services["redis"].ready(theirs["cache"], theirs)
    mine.runtime.remove("two")
    assert mine.everything() == NOTHING
    assert other.everything() == before
    mine.runtime.remove("two")  # nothing left is not an error


def test_a_foreign_container_on_our_network_survives(lab: Lab) -> None:
    cache = lab.up("c", CACHE)["cache"]
    found = lab.inspect(cache)
    network = next(iter(found["NetworkSettings"]["Networks"]))
    foreign = lab.daemon.containers.run(
        found["Config"]["Image"], ["sleep", "600"], entrypoint=[], network=network, detach=True
    )
    try:
        lab.runtime.remove("c")
        assert lab.everything() == NOTHING
        foreign.reload()
        assert foreign.status == "running"
    finally:
        foreign.remove(force=True, v=True)


def test_two_at_once_may_remove(lab: Lab) -> None:
    lab.up("c", catalog.topology("caching"))
    failures: list[BaseException] = []

    def remove() -> None:
        try:
            lab.runtime.remove("c")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert lab.everything() == NOTHING


# --- what can be wrong ---------------------------------------------------------------------------


def test_a_taken_port_is_said(lab: Lab) -> None:
    places = lab.reserve("c", CACHE)
    lab.runtime.begin("c")
    address = places["cache"].client
    with socket.create_server((address.host, address.port)):
        with pytest.raises(PortTaken, match=f"port {address} is taken"):
            lab.start(places["cache"], places)
        assert lab.runtime.state(places["cache"], None).state == "stopped"
    lab.start(places["cache"], places)  # the port is free again
    lab.answers(places["cache"], places)


def test_an_image_that_cannot_be_had(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab({"redis": "localhost:1/no/such:image"})
    with pytest.raises(
        EnvironmentLacks, match="image localhost:1/no/such:image cannot be had"
    ) as e:
        lab.runtime.check(CACHE, Budget())
    assert "scalelab images build" in e.value.hint
    assert "SCALELAB_REDIS_IMAGE" in e.value.hint
    usable, why = lab.runtime.usable(CACHE)
    assert not usable
    assert "cannot be had" in why
    assert lab.runtime.usable(SINGLE) == (True, "a Docker daemon answers and has the images")


def test_no_daemon(
    new_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    lab = new_lab()
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        usable, why = lab.runtime.usable(CACHE)
        assert not usable
        assert "no Docker daemon answers" in why
        with pytest.raises(EnvironmentLacks, match="no Docker daemon answers"):
            lab.runtime.check(CACHE, Budget())


def test_an_image_with_an_entrypoint_and_root(
    new_lab: Callable[..., Lab], daemon: DockerClient
) -> None:
    # As the official images are: their own entrypoint must have no say, nor their user.
    plain = new_lab()
    base = plain.inspect(plain.up("c", CACHE)["cache"])["Config"]["Image"]
    text = f'FROM {base}\nUSER root\nENTRYPOINT ["false"]\nCMD ["valkey-server"]\n'
    tag = f"scalelab-test:{plain.state_id}"
    daemon.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True, forcerm=True)
    try:
        lab = new_lab({"redis": tag})
        lab.runtime.check(CACHE, Budget())
        cache = lab.up("c", CACHE)["cache"]
        assert lab.inspect(cache)["Config"]["Image"] == tag
        lab.runtime.remove("c")
    finally:
        daemon.images.remove(tag, force=True)
