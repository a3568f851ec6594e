"""A running cluster as its faults see it: nodes to stop, links to impair, and what to measure."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping
from typing import Any

from scalelab import links, ports
from scalelab.cluster import Clusters
from scalelab.errors import EnvironmentLacks
from scalelab.ledger import Ledger
from scalelab.model import CLIENT, Address, Cluster, Reading, Route
from scalelab.protocols import Fault, Service

_SETTLE_S = 30.0
"""How long a follower may take to go over to another way, or a server to recover, in seconds."""
_ANSWER_S = 2.0


class Scene:
    """One cluster as its faults see it (``protocols.Scene``). Use it while the ledger is acting.

    Parameters
    ----------
    name : of the cluster.
    kinds : every kind of fault, by name.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        clusters: Clusters,
        services: Mapping[str, Service],
        kinds: Mapping[str, Fault],
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._clusters = clusters
        self._services = services
        self._kinds = kinds

    # --- nodes -------------------------------------------------------------------------------

    def stop(self, node: str, *, kill: bool = False) -> None:
        self._clusters.halt(self._cluster(), [node], kill=kill)
        if not kill:
            return
        # What a machine without power had still to send arrives nowhere, also not after a cut.
        for route in self._cluster().routes:
            ends = links.ends(route.link)
            if node in ends and CLIENT not in ends:
                self._clusters.relays.sever(self._name, route)
                self.renew(route.link)

    def crash(self, node: str) -> None:
        place = self._cluster().places[node]
        self._services[place.node.service].crash(place)

    def start(self, node: str) -> None:
        self._clusters.revive(self._cluster(), [node])

    def pause(self, node: str) -> None:
        cluster = self._cluster()
        runtime = self._clusters.runtime(cluster.runtime)
        runtime.pause(cluster.places[node], cluster.handles[node])

    def resume(self, node: str) -> None:
        cluster = self._cluster()
        runtime = self._clusters.runtime(cluster.runtime)
        runtime.resume(cluster.places[node], cluster.handles[node])

    def fill(self, node: str) -> None:
        cluster = self._cluster()
        self._clusters.runtime(cluster.runtime).fill(cluster.places[node])

    def free(self, node: str) -> None:
        cluster = self._cluster()
        place = cluster.places[node]
        self._clusters.runtime(cluster.runtime).free(place)
        if node in cluster.stopped:
            return
        deadline = time.monotonic() + _SETTLE_S
        # A server that could not write its log has ended, or is just starting over.
        while not self._services[place.node.service].exchange(place, 1, 1, _ANSWER_S):
            self.start(node)
            if time.monotonic() > deadline:
                raise EnvironmentLacks(
                    f"{node} has space again and does not answer", f"see: scalelab logs {node}"
                )
            time.sleep(0.05)

    # --- links -------------------------------------------------------------------------------

    def impair(self, link: str) -> None:
        cluster = self._cluster()
        route = self._route(cluster, link)
        if route is None or sum(fault.link == link for fault in cluster.faults) == 1:
            # First the way, then what is wrong with it: a link is cut that was there.
            route = route or self._reserve(cluster, link)
            self._hold(route, [])
            follower = links.ends(link)[0]
            if follower != CLIENT:
                self._follow(self._cluster(), follower)
        self.renew(link)

    def renew(self, link: str) -> None:
        """Have the relay of a link do what its faults ask for by now; one that ended is revived."""
        cluster = self._cluster()
        if route := self._route(cluster, link):
            self._hold(route, self._impairments(cluster, link))

    def relieve(self, link: str, fault: str) -> None:
        cluster = self._cluster()
        route = self._route(cluster, link)
        if route is None:
            return
        left = dataclasses.replace(
            cluster, faults=tuple(f for f in cluster.faults if f.id != fault)
        )
        if any(other.link == link for other in left.faults):
            self._hold(route, self._impairments(left, link))
        else:
            self.straighten(route)

    def straighten(self, route: Route) -> None:
        """Make a link direct again. That of a paused follower has to wait until it goes on."""
        cluster = self._cluster()
        end = links.ends(route.link)[0]
        state = "" if end == CLIENT else self._clusters.state(cluster, end)
        rest = tuple(other for other in cluster.routes if other.link != route.link)
        if state in ("running", "paused"):
            # Free first: what was held back arrives, and the follower can leave in good order.
            route = self._hold(route, [])
        if state == "paused":
            return
        if state == "running":
            self._follow(dataclasses.replace(cluster, routes=rest), end)
        # One that is stopped goes the direct way when it starts.
        self._clusters.relays.release(self._name, route)
        self._ledger.change(self._name, lambda c: dataclasses.replace(c, routes=rest))

    def _reserve(self, cluster: Cluster, link: str) -> Route:
        first, node = links.ends(link)
        runtime = self._clusters.runtime(cluster.runtime)
        # Among users a node is published on this machine; followers may live elsewhere.
        host = "127.0.0.1" if first == CLIENT else runtime.host_address(self._name)
        with self._ledger.lock():
            taken = self._clusters.ports()
            (port,) = ports.reserve(1, taken, self._ledger.state_id)
            folder = f"{link}.{time.time_ns():x}"
            route = Route(link, folder, Address(host, port), cluster.places[node].client)
            now = self._cluster()
            self._ledger.write(dataclasses.replace(now, routes=(*now.routes, route)))
        return route

    def _hold(self, route: Route, impairments: list[Mapping[str, Any]]) -> Route:
        held = self._clusters.relays.hold(self._name, route, impairments)
        if held != route:
            self._ledger.change(
                self._name,
                lambda c: dataclasses.replace(
                    c, routes=tuple(held if r.link == held.link else r for r in c.routes)
                ),
            )
        return held

    def _follow(self, cluster: Cluster, follower: str) -> None:
        """Have a follower reach its leader as this cluster says, and wait until it does."""
        place, peers = cluster.places[follower], cluster.peers(follower)
        leader, service = str(place.node.follows), self._services[place.node.service]
        runtime = self._clusters.runtime(cluster.runtime)
        runtime.configure(place, service.launch(place, peers))
        service.reload(place)
        deadline = time.monotonic() + _SETTLE_S
        while self._clusters.state(cluster, leader) == "running":
            if service.upstream(place) == peers[leader].peer:
                return
            if time.monotonic() > deadline:
                raise EnvironmentLacks(
                    f"{follower} does not stream from {peers[leader].peer}",
                    f"see: scalelab logs {follower}",
                )
            time.sleep(0.01)

    def _impairments(self, cluster: Cluster, link: str) -> list[Mapping[str, Any]]:
        return [
            {**self._kinds[fault.kind].impairment(fault), "until": fault.until}
            for fault in cluster.faults
            if fault.link == link
        ]

    # --- measuring ---------------------------------------------------------------------------

    def round_trip(self, target: str, times: int, patience_s: float) -> Reading:
        cluster = self._cluster()
        first, node = links.ends(target)
        if first in cluster.places and node:
            place = cluster.places[first]
            service = self._services[place.node.service]
            took: list[float] = []
            while len(took) < times:
                seconds = service.propagate(place, cluster.places, 1, patience_s)
                if seconds is None:
                    break
                took.append(seconds)
            what = f"round trip of a change, median of {times}"
        else:
            place = cluster.seen().places[node] if node else cluster.places[target]
            service = self._services[place.node.service]
            took = list(service.exchange(place, 1, times, patience_s))
            what = f"round trip, median of {times}"
        complete = len(took) == times
        return Reading("round_trip_ms", what, 1000 * statistics.median(took) if complete else None)

    def throughput(self, link: str, size: int, patience_s: float) -> Reading:
        cluster = self._cluster()
        first, node = links.ends(link)
        if first == CLIENT:
            place = cluster.seen().places[node]
            took = self._services[place.node.service].exchange(place, size, 1, patience_s)
            seconds = took[0] if took else None
        else:
            place = cluster.places[first]
            service = self._services[place.node.service]
            seconds = service.propagate(place, cluster.places, size, patience_s)
        value = None if seconds is None else size / seconds
        return Reading("throughput_bytes_per_s", "throughput", value)

    def write(self, node: str, patience_s: float) -> Reading:
        cluster = self._cluster()
        place = cluster.places[node]
        free = self._clusters.runtime(cluster.runtime).space(place)
        seconds, said = self._services[place.node.service].spill(place, patience_s)
        value = None if seconds is None else 1000 * seconds
        return Reading("write_ms", "a write to its disk", value, said, free)

    def _cluster(self) -> Cluster:
        return self._clusters.find(self._name)

    @staticmethod
    def _route(cluster: Cluster, link: str) -> Route | None:
        return next((route for route in cluster.routes if route.link == link), None)
