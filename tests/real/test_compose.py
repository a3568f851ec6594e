"""The exported Compose files do bring their topologies up, with nothing of scalelab's at hand."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from docker import DockerClient

from scalelab import catalog, ports
from scalelab.runtimes import image_choice
from tests.conftest import skip_or_fail
from tests.real.docker_fixtures import daemon, until

__all__ = ["daemon"]
pytestmark = pytest.mark.docker

_FILES = Path(__file__).parents[2] / "compose"


class Project:
    """A Compose project of a test's own.

    Parameters
    ----------
    command : docker-compose, as it is called here.
    name : of the topology whose file is used.
    """

    def __init__(self, command: list[str], name: str, client: DockerClient) -> None:
        self.name, self._client = f"scalelab-test-{secrets.token_hex(4)}", client
        self.password = secrets.token_hex(16)
        nodes = [node.name for node in catalog.topology(name).nodes]
        free = ports.reserve(len(nodes), (), secrets.token_hex(4))
        self.ports = dict(zip(nodes, free, strict=True))
        file = str(_FILES / f"{name}.yaml")
        self._command = [*command, "-p", self.name, "-f", file]
        images = {
            f"SCALELAB_{name.upper()}_IMAGE": image_choice.present(client, service.image, "") or ""
            for name, service in catalog.services.items()
        }
        published = {f"SCALELAB_PORT_{n.upper()}": str(port) for n, port in self.ports.items()}
        self.environment = {
            **os.environ,
            **images,
            **published,
            "SCALELAB_PASSWORD": self.password,
        }

    def compose(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a Compose command."""
        return subprocess.run(
            [*self._command, *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
        )

    def up(self, *options: str) -> None:
        """Bring it up and wait until Compose's own health checks pass."""
        done = self.compose("up", "-d", *options)
        assert done.returncode == 0, done.stderr
        until(lambda: self.health() == dict.fromkeys(self.ports, "healthy"), "all are healthy")

    def containers(self) -> dict[str, Any]:
        """What the daemon says of each node's container."""
        label = f"com.docker.compose.project={self.name}"
        return {
            container.labels["com.docker.compose.service"]: container.attrs
            for container in self._client.containers.list(all=True, filters={"label": label})
        }

    def health(self) -> dict[str, str]:
        """Each node's health; fails when one has ended."""
        found = self.containers()
        for node, container in found.items():
            state = container["State"]
            assert state["Running"], (node, self.compose("logs", "--tail", "30", node).stdout)
        return {node: one["State"]["Health"]["Status"] for node, one in found.items()}

    def psql(self, node: str, query: str, password: str = "") -> list[tuple[Any, ...]]:
        """Ask a PostgreSQL node."""
        with psycopg.connect(
            host="127.0.0.1",
            port=self.ports[node],
            user="lab",
            dbname="lab",
            password=password or self.password,
        ) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def compose_command() -> list[str]:
    """Compose v2 where the docker command has it, else the older command of its own."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "version"], capture_output=True)
            if done.returncode == 0:
                return command
    skip_or_fail("docker", "neither `docker compose` nor docker-compose is installed")
    raise AssertionError  # not reached


@pytest.fixture
def project(compose_command: list[str], daemon: DockerClient) -> Iterator[Callable[..., Project]]:
    """Makes projects; whatever becomes of the test, they are taken down."""
    made: list[Project] = []

    def make(name: str) -> Project:
        made.append(Project(compose_command, name, daemon))
        return made[-1]

    yield make
    for each in made:
        done = each.compose("down", "-v", "--timeout", "5")
        assert done.returncode == 0, done.stderr


@pytest.mark.clusters
@pytest.mark.parametrize("name", ["single", "replication", "sharding", "caching"])
def test_compose_accepts_the_file(name: str, project: Callable[..., Project]) -> None:
    made = project(name)
    done = made.compose("config")
    assert done.returncode == 0, done.stderr
    without = made.compose("config", SCALELAB_PASSWORD="")
    assert without.returncode != 0
    assert "letters and digits" in without.stderr


@pytest.mark.clusters
def test_replication(project: Callable[..., Project]) -> None:
    made = project("replication")
    made.up()
    streaming = [("replica1", "streaming"), ("replica2", "streaming")]
    ask = "SELECT application_name, state FROM pg_stat_replication ORDER BY 1"
    assert made.psql("primary", ask) == streaming
    made.psql("primary", "CREATE TABLE kept AS SELECT 42 AS answer")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        made.psql("replica1", "SELECT 1", password="wrong")
    for container in made.containers().values():
        host = container["HostConfig"]
        assert (host["CpuPeriod"], host["CpuQuota"], host["Memory"]) == (10_000, 2_000, 256 << 20)
        (published,) = container["NetworkSettings"]["Ports"].values()
        assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
    # New containers on the old volumes find their data, and prepare nothing again.
    made.up("--force-recreate")
    until(lambda: made.psql("primary", ask) == streaming, "the replicas stream again")
    assert made.psql("replica2", "SELECT answer FROM kept") == [(42,)]


def test_caching(project: Callable[..., Project]) -> None:
    made = project("caching")
    made.up()
    assert made.psql("primary", "SELECT 1") == [(1,)]
    with redis.Redis(port=made.ports["cache"], password=made.password) as cache:
        assert cache.ping()
        assert cache.config_get("maxmemory") == {"maxmemory": str(64 * 1024**2)}
    with redis.Redis(port=made.ports["cache"]) as stranger, pytest.raises(redis.RedisError):
        stranger.ping()
