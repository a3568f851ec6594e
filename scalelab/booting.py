"""Starts a cluster's nodes side by side, each as soon as those it follows or needs are ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from scalelab.errors import EnvironmentLacks, NodeDied
from scalelab.model import Cluster, Handle, Node, Place
from scalelab.protocols import Runtime, Service

_READY_PATIENCE_S = 300.0
"""On a busy machine three members, or three Java servers, at once take minutes."""
_ATTEMPTS = 3
_LOG_LINES = 40
"""Enough for why Patroni ended: two tracebacks come after it."""
_POLL_S = 0.025
"""Several nodes ask at once, and what they use of the CPU their servers lack."""


def boot(
    cluster: Cluster, nodes: Collection[Node], runtime: Runtime, services: Mapping[str, Service]
) -> dict[str, Handle]:
    """Start these nodes and return when each answers a real client query.

    Returns
    -------
    The runtime's handles of all nodes, those started now and those that ran before.

    Raises
    ------
    NodeDied : a server ended while it was starting.
    EnvironmentLacks : one does not answer, or cannot be started at all.
    """
    abandoned = threading.Event()
    done = {node.name: threading.Event() for node in nodes}
    handles: dict[str, Handle] = dict(cluster.handles)

    def one(node: Node) -> None:
        for first in (node.follows, *node.needs):
            # One that is not being started now is none to wait for.
            while first in done and not done[first].wait(0.05):
                if abandoned.is_set():
                    return
        place = cluster.places[node.name]
        handles[node.name] = _start(cluster, place, runtime, services[node.service], abandoned)
        done[node.name].set()

    pool = ThreadPoolExecutor(len(nodes))
    try:
        finished, _ = wait([pool.submit(one, node) for node in nodes], return_when=FIRST_EXCEPTION)
        for future in finished:
            future.result()
    finally:
        abandoned.set()
        pool.shutdown()
    return handles


def _start(
    cluster: Cluster, place: Place, runtime: Runtime, service: Service, abandoned: threading.Event
) -> Handle:
    launch = service.launch(place, cluster.peers(place.node.name))
    for attempt in range(1, _ATTEMPTS + 1):
        handle = runtime.start(place, launch)
        try:
            _await(cluster, place, handle, runtime, service, abandoned)
            break
        except NodeDied:
            # A member that does not get a new server going within its own short limits (two
            # seconds for a statement) gives its claim to be first back, and ends: as a supervisor
            # does, start it again. Meanwhile another one may have become the first.
            if not service.elects or attempt == _ATTEMPTS:
                raise
    return handle


def await_ready(
    cluster: Cluster, name: str, runtime: Runtime, services: Mapping[str, Service]
) -> None:
    """Return when a node that runs is ready; raises as :func:`boot` does."""
    place, handle = cluster.places[name], cluster.handles[name]
    service = services[place.node.service]
    _await(cluster, place, handle, runtime, service, threading.Event())


def _await(
    cluster: Cluster,
    place: Place,
    handle: Handle,
    runtime: Runtime,
    service: Service,
    abandoned: threading.Event,
) -> None:
    deadline = time.monotonic() + _READY_PATIENCE_S
    while not abandoned.is_set() and not service.ready(place, cluster.places):
        if runtime.state(place, handle).state == "exited":
            raise NodeDied(
                f"{place.node.name} ({place.node.service}) ended while it was starting",
                "the end of its log is above",
                runtime.logs(place, _LOG_LINES),
            )
        if time.monotonic() > deadline:
            raise EnvironmentLacks(
                f"{place.node.name} did not answer within {_READY_PATIENCE_S:.0f} s",
                "the end of its log is above; is the machine overloaded?",
                runtime.logs(place, _LOG_LINES),
            )
        # To ask several servers who leads costs each of them more of its budget than one query.
        time.sleep(4 * _POLL_S if service.elects else _POLL_S)
