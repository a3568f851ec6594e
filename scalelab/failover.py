"""Another node takes the place of its leader: what the topology becomes, and how it gets there.

The ledger has the new topology before anything is done to a server, and every step may be done
again, so that whatever was killed half-way is finished by the next ``promote`` or ``start``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from scalelab.errors import UsageError
from scalelab.model import Cluster, Node, Places, Topology
from scalelab.protocols import Runtime, Service


def promoted(topology: Topology, name: str) -> Topology:
    """The topology once this node leads: its leader follows it, and so do the leader's followers.

    Role and settings go with the part that is played; names in them (of synchronous standbys)
    change places. A node that leads already leaves the topology as it is.
    """
    by_name = {node.name: node for node in topology.nodes}
    new = by_name[name]
    if new.follows is None:
        return topology
    old = by_name[new.follows]

    def turned(node: Node) -> Node:
        if node is new:
            settings = _exchanged(old.settings, old.name, new.name)
            return replace(new, role=old.role, follows=None, settings=settings)
        if node is old:
            return replace(old, role=new.role, follows=new.name, settings=new.settings)
        return replace(node, follows=new.name) if node.follows == old.name else node

    # A leader comes before its followers, as in a topology that was never changed.
    nodes = sorted(map(turned, topology.nodes), key=lambda node: node.follows is not None)
    return replace(topology, nodes=tuple(nodes))


def turned(cluster: Cluster, topology: Topology) -> Places:
    """The cluster's places with the nodes of this topology, in its order."""
    return {node.name: replace(cluster.places[node.name], node=node) for node in topology.nodes}


def must_be_ahead(cluster: Cluster, name: str, services: Mapping[str, Service]) -> None:
    """Raise UsageError where another follower has received more than this one.

    It could not follow a leader that lacks what it has.
    """
    node = cluster.places[name].node
    have: dict[str, int] = {}
    for place in cluster.places.values():
        if place.node.follows == node.follows:
            received = services[place.node.service].received(place)
            if received is not None:
                have[place.node.name] = received
    if name not in have:
        raise UsageError(f"{name} does not answer, so it cannot lead", f"scalelab logs {name}")
    best = max(have, key=lambda each: have[each])
    if have[best] > have[name]:
        raise UsageError(
            f"{best} has received {have[best] - have[name]:,} bytes more than {name}",
            f"promote that one: scalelab promote {best}",
        )


def settle(cluster: Cluster, runtime: Runtime, services: Mapping[str, Service]) -> None:
    """Make running servers what the ledger says they are: leaders lead, followers follow them.

    What is so already stays as it is.
    """
    followers: dict[str, list[str]] = {}
    for place in cluster.places.values():
        if place.node.follows is not None:
            followers.setdefault(place.node.follows, []).append(place.node.name)
    for leader, names in followers.items():
        place = cluster.places[leader]
        service = services[place.node.service]
        if runtime.state(place, cluster.handles.get(leader)).state != "running":
            continue
        for name in (leader, *names):
            each = cluster.places[name]
            runtime.configure(each, service.launch(each, cluster.peers(name)))
        service.promote(place, names)
        for name in names:
            service.reload(cluster.places[name])


def _exchanged(settings: Mapping[str, str], one: str, other: str) -> Mapping[str, str]:
    """Settings in which two nodes' names have changed places."""
    either = re.compile(rf"\b({re.escape(one)}|{re.escape(other)})\b")
    return {
        key: either.sub(lambda found: other if found[0] == one else one, value)
        for key, value in settings.items()
    }
