"""A docker runtime of a test's own, and helpers to look at what it made without it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from docker import DockerClient

from scalelab import catalog, ports
from scalelab.model import Budget, Handle, Node, Place, Places, Topology
from scalelab.runtimes.daemon import connect
from scalelab.runtimes.docker import DockerRuntime

CACHE = Topology("cache", {}, (Node("cache", "redis", "cache"),))
SINGLE = Topology("single", {}, (Node("primary", "postgres", "primary"),))
_PATIENCE_S = 300.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail naming it when it does not come true in five minutes."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"in vain waited five minutes until {what}")
        time.sleep(0.02)


@dataclass
class Lab:
    """A runtime with the clusters a test brought up on it."""

    state_id: str
    runtime: DockerRuntime
    daemon: DockerClient
    handles: dict[str, Handle] = field(default_factory=dict)

    def up(self, cluster: str, topology: Topology, budget: Budget | None = None) -> Places:
        """Start every node and wait until it answers."""
        places = self.reserve(cluster, topology, budget)
        self.runtime.begin(cluster)
        for place in places.values():
            self.start(place, places)
            self.answers(place, places)
        return places

    def reserve(self, cluster: str, topology: Topology, budget: Budget | None = None) -> Places:
        """Places on free ports, with a password nobody knows."""
        free = ports.reserve(len(topology.nodes), (), self.state_id)
        return self.runtime.reserve(
            cluster, topology, budget or Budget(), secrets.token_hex(16), free
        )

    def start(self, place: Place, places: Places) -> None:
        """Start a node."""
        launch = catalog.services[place.node.service].launch(place, places)
        self.handles[place.node.name] = self.runtime.start(place, launch)

    def stop(self, place: Place, *, kill: bool = False) -> None:
        """Stop a node."""
        self.runtime.stop(place, self.handles[place.node.name], kill=kill)

    def answers(self, place: Place, places: Places) -> None:
        """Wait until a real query works."""
        service = catalog.services[place.node.service]
        until(lambda: service.ready(place, places), f"{place.node.name} answers")

    def state(self, place: Place) -> str:
        """What the runtime calls the node's state."""
        return self.runtime.state(place, self.handles[place.node.name]).state

    def inspect(self, place: Place) -> dict[str, Any]:
        """What the daemon itself says of a node."""
        name = f"scalelab-{self.state_id}-{place.cluster}-{place.node.name}"
        return dict(self.daemon.containers.get(name).attrs)

    def everything(self, state_id: str = "") -> dict[str, list[str]]:
        """Names of all that carries the label, by kind."""
        api = self.daemon.api
        which = {"label": [f"scalelab.state={state_id or self.state_id}"]}
        return {
            "containers": [c["Names"][0] for c in api.containers(all=True, filters=which)],
            "networks": [network["Name"] for network in api.networks(filters=which)],
            "volumes": [volume["Name"] for volume in api.volumes(filters=which)["Volumes"] or []],
        }


NOTHING: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}


@pytest.fixture
def daemon(docker_ready: None) -> Iterator[DockerClient]:
    """A client of the Docker daemon."""
    client = connect()
    yield client
    client.close()


@pytest.fixture
def new_lab(daemon: DockerClient) -> Iterator[Callable[..., Lab]]:
    """Makes labs, each with a state folder's identity of its own; all is removed afterwards."""
    made: list[Lab] = []

    def make(images: dict[str, str] | None = None) -> Lab:
        state_id = secrets.token_hex(4)
        runtime = DockerRuntime(state_id, catalog.services.__getitem__, images or {})
        made.append(Lab(state_id, runtime, daemon))
        return made[-1]

    yield make
    for lab in made:
        for cluster in lab.runtime.strays():
            lab.runtime.remove(cluster)
        lab.runtime.close()
    assert [lab.everything() for lab in made] == [NOTHING] * len(made)


@pytest.fixture
def lab(new_lab: Callable[..., Lab]) -> Lab:
    """A docker runtime with an identity of its own."""
    return new_lab()
