"""A topology up, ready, stopped, started, down: every act first in the ledger, then done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from scalelab import booting, failover, ports
from scalelab.errors import (
    Busy,
    PortTaken,
    UnknownName,
    UsageError,
)
from scalelab.ledger import Damaged, Ledger
from scalelab.links import Relays
from scalelab.model import (
    CLIENT,
    ActiveFault,
    Budget,
    Cluster,
    Node,
    NodeState,
    Place,
    Topology,
)
from scalelab.protocols import Runtime, Service
from scalelab.runtimes import processes

_PORT_RETRIES = 3
_ACTS = ("start", "resume")
"""Inverses of faults that are over once a user has stopped or started the node."""
_LEADING = ("primary", "master")
"""Roles of the node that leads, in the words of its service."""
_RESTING = ("exited", "stopped")
_WHO = "name a replica; see: scalelab status"
_PHASES = {"starting": "being brought up", "removing": "being taken down", "up": "in use"}


@dataclass(frozen=True)
class NodeReport:
    """A node as it is now: what the runtime sees and what the servers say.

    Parameters
    ----------
    memory : bytes in use; None when it does not run or nobody can tell.
    """

    place: Place
    state: NodeState
    memory: int | None
    facts: Mapping[str, str | int | float]

    @property
    def role(self) -> str:
        """By the servers' own word where they decide it, else by the topology."""
        return str(self.facts.get("role", self.place.node.role))

    @property
    def follows(self) -> str | None:
        """Whom it copies from, told as its role is."""
        named = self.facts.get("follows", self.place.node.follows)
        return None if named is None else str(named)


@dataclass(frozen=True)
class Failover:
    """What a promotion did.

    Parameters
    ----------
    former : the leader it replaced; None when it led already.
    clean : the former one ran, and handed over everything before it stopped.
    took_s : seconds from the former leader's end until the new one took writes.
    """

    node: str
    former: str | None
    clean: bool
    took_s: float


class Clusters:
    """The clusters of one ledger.

    Parameters
    ----------
    services : every service, by name.
    runtime : makes a runtime, by name.
    """

    def __init__(
        self,
        ledger: Ledger,
        services: Mapping[str, Service],
        runtime: Callable[[str], Runtime],
    ) -> None:
        self.relays = Relays(ledger.folder)
        self._ledger = ledger
        self._services = services
        self._make_runtime = runtime
        self._runtimes: dict[str, Runtime] = {}

    def runtime(self, name: str) -> Runtime:
        """The runtime of this name."""
        if name not in self._runtimes:
            self._runtimes[name] = self._make_runtime(name)
        return self._runtimes[name]

    # --- finding -----------------------------------------------------------------------------

    def all(self) -> tuple[list[Cluster], list[Damaged]]:
        """Every cluster in the ledger, and what of it cannot be read."""
        return self._ledger.clusters()

    def find(self, name: str | None) -> Cluster:
        """The cluster of this name, or the only one when no name is given.

        Raises
        ------
        UnknownName, UsageError : there is none, or there are several.
        """
        if name is not None:
            if cluster := self._ledger.read(name):
                return cluster
            raise UnknownName("cluster", name, self._ledger.names())
        names = self._ledger.names()
        if not names:
            raise UsageError("no cluster is up", "bring one up: scalelab up replication")
        if len(names) > 1:
            raise UsageError(
                f"several clusters are up: {', '.join(names)}",
                "choose one with --name or SCALELAB_NAME",
            )
        return self.find(names[0])

    def place(self, cluster: Cluster, node: str | None) -> Place:
        """A node's place, or the only one's when no node is given.

        Raises
        ------
        UnknownName, UsageError : there is no such node, or several to choose from.
        """
        if node is None and len(cluster.places) > 1:
            raise UsageError(
                f"which node of {cluster.name}?", f"one of {', '.join(cluster.places)}"
            )
        name = node or next(iter(cluster.places))
        if name not in cluster.places:
            raise UnknownName(f"node of {cluster.name}", name, cluster.places)
        return cluster.places[name]

    # --- acts --------------------------------------------------------------------------------

    def up(self, name: str, topology: Topology, runtime: str, budget: Budget) -> Cluster:
        """Bring a topology up and return when every node answers a real query.

        Up already: nodes that do not run are started, otherwise nothing happens. On any failure,
        an interrupt included, what was made is removed before the error goes on.

        Raises
        ------
        Busy : another scalelab is at work on this name.
        UsageError : the name is taken by another topology, or with other parameters.
        NodeDied : a server ended while starting.
        """
        existing = self._ledger.read(name)
        if existing and existing.phase == "up":
            self._must_match(existing, topology, runtime, budget)
            return self.start(name, ())
        self.runtime(runtime).check(topology, budget)
        avoid: set[int] = set()
        for _ in range(_PORT_RETRIES):
            # Somebody may take a port between our look and the server's start: choose others.
            with contextlib.suppress(PortTaken):
                return self._up_new(name, topology, runtime, budget, avoid)
        return self._up_new(name, topology, runtime, budget, avoid)

    def down(self, name: str) -> None:
        """Remove a cluster and all it made.

        Raises
        ------
        Busy : another scalelab is at work on it.
        """
        with self._ledger.acting():
            with self._ledger.lock():
                cluster = self.find(name)
                self._must_be_free(cluster)
                self._ledger.write(dataclasses.replace(cluster, phase="removing", owner=me()))
            try:
                self._remove(name, cluster.runtime)
            except KeyboardInterrupt:
                self._remove(name, cluster.runtime)  # half a removal helps nobody
                raise

    def down_all(self, runtimes: Collection[str]) -> list[str]:
        """Remove every cluster of the ledger, and by label what the ledger does not know of.

        Parameters
        ----------
        runtimes : those that can be asked for strays.

        Returns
        -------
        One line for each thing removed or moved aside.

        Raises
        ------
        Busy : another scalelab is at work on one of them; the others are removed.
        """
        done, busy = [], []
        for name in self._ledger.names():
            try:
                self.down(name)
                done.append(f"{name} is down")
            except Busy as error:
                busy.append((name, error))
            except Damaged:
                with self._ledger.lock():
                    done.append(f"{name}: damaged, moved to {self._ledger.move_aside(name)}")
        at_work = {name for name, _ in busy}
        for name in sorted(self.relays.strays() - at_work - set(self._ledger.names())):
            self.relays.remove(name)
            done.append(f"{name}: leftovers removed (relays)")
        for runtime in runtimes:
            # Under the lock no `up` can be between its entry in the ledger and its first act.
            with self._ledger.lock():
                strays = self.runtime(runtime).strays() - at_work - set(self._ledger.names())
            for name in sorted(strays):
                self.runtime(runtime).remove(name)
                done.append(f"{name}: leftovers removed ({runtime})")
        if busy:
            raise busy[0][1]
        return done

    def stop(self, name: str | None, nodes: Collection[str], *, kill: bool = False) -> Cluster:
        """Stop nodes (all when none is named), their data and ports kept; their faults are over."""
        with self._ledger.acting(), self._claimed(name) as cluster:
            chosen = [self.place(cluster, node).node.name for node in nodes or cluster.places]
            self.halt(cluster, chosen, kill=kill)
            self._taken_over(cluster, chosen)
        return self.find(cluster.name)

    def start(self, name: str | None, nodes: Collection[str]) -> Cluster:
        """Start the nodes (all when none is named) that do not run, with their data and ports.

        A fault that had stopped one is over with that.
        """
        with self._ledger.acting(), self._claimed(name) as cluster:
            chosen = [self.place(cluster, node).node.name for node in nodes or cluster.places]
            self._taken_over(cluster, self.revive(cluster, chosen))
        return self.find(cluster.name)

    def promote(self, name: str | None, node: str) -> tuple[Cluster, Failover]:
        """Have a follower take its leader's place, and the former leader follow it.

        The leader is stopped first (cleanly if it runs, so that nothing is lost): two at once
        would each take writes. Then the node leads, the others follow it, and the former leader
        comes back as its follower, rid of what it alone had. Done already, the rest is completed.

        Raises
        ------
        UnknownName, UsageError : no such node, it cannot lead, or another one has received more.
        CheckFailed : it refuses.
        """
        with self._ledger.acting(), self._claimed(name) as cluster:
            place = self.place(cluster, node)
            if self._services[place.node.service].elects:
                raise UsageError(
                    f"the servers of {cluster.name} choose by themselves who leads",
                    "see who does with: scalelab status; stop that one, and another will",
                )
            runtime, former = self.runtime(cluster.runtime), place.node.follows
            topology = failover.promoted(cluster.topology, node)
            if former is None and not cluster.followers(node):
                raise UsageError(f"{node} follows no node, so it cannot take one's place", _WHO)
            self._must_be_direct(cluster)
            clean = former is not None and self.state(cluster, former) == "running"
            if former is not None:
                self._fence(cluster, former, node, clean=clean)
            began = time.monotonic()
            places = failover.turned(cluster, topology)
            cluster = self._change(cluster.name, topology=topology, places=places)
            failover.settle(cluster, runtime, self._services)
            took_s = time.monotonic() - began
            # What the user had stopped stays so; of a promotion cut short nobody knows who did.
            back = [former] if former is not None else list(places)
            resting = [name for name in back if self.state(cluster, name) in _RESTING]
            self._settle(cluster, [places[name].node for name in resting])
            self._taken_over(cluster, back)
        return self.find(cluster.name), Failover(node, former, clean, took_s)

    def halt(self, cluster: Cluster, nodes: Sequence[str], *, kill: bool = False) -> None:
        """Stop nodes of a cluster that a run may be using. Call while the ledger is ``acting``."""
        self._change(cluster.name, stopped=cluster.stopped | set(nodes))
        for node in reversed(nodes):  # followers first
            handle = cluster.handles.get(node)
            self.runtime(cluster.runtime).stop(cluster.places[node], handle, kill=kill)

    def revive(self, cluster: Cluster, nodes: Sequence[str]) -> list[str]:
        """Start those of the nodes that do not run, and say which. Call while ``acting``.

        One whose service ``elects`` may run and have to find its part yet: that is waited for.
        """
        states = {node: self.state(cluster, node) for node in nodes}
        idle = [node for node, state in states.items() if state in _RESTING]
        self._limit(cluster, [node for node, state in states.items() if state == "running"])
        self._settle(cluster, [cluster.places[node].node for node in idle])
        for node, state in states.items():
            if state == "running" and self._services[cluster.places[node].node.service].elects:
                runtime = self.runtime(cluster.runtime)
                booting.await_ready(cluster, node, runtime, self._services)
        return idle

    def state(self, cluster: Cluster, node: str) -> str:
        """What a node is doing: running, paused, stopped, exited."""
        handle = cluster.handles.get(node)
        return self.runtime(cluster.runtime).state(cluster.places[node], handle).state

    def leader(self, cluster: Cluster) -> str:
        """The node that leads just now, by the servers' own word where they decide it.

        Raises
        ------
        UsageError : none does, or several have followers.
        """
        followed = {place.node.follows for place in cluster.places.values()} - {None}
        named = sorted(map(str, followed)) or [
            name
            for name, place in cluster.places.items()
            if self._services[place.node.service].elects
            and self._services[place.node.service].inspect(place, cluster.places).get("role")
            in _LEADING
        ]
        if len(named) != 1:
            raise UsageError(
                f"no node leads {cluster.name} just now" if not named else "several nodes lead",
                "see: scalelab status",
            )
        return named[0]

    def ports(self, but: str = "") -> set[int]:
        """The ports given to clusters, ``but`` one, and to their relays."""
        others = [other for other in self._ledger.clusters()[0] if other.name != but]
        nodes = {port for other in others for port in _ports(other)}
        return nodes | {route.listen.port for other in others for route in other.routes}

    def observe(self, cluster: Cluster) -> list[NodeReport]:
        """Every node as it is now. Strictly read-only."""
        with ThreadPoolExecutor(len(cluster.places)) as pool:
            return list(
                pool.map(lambda place: self._observe(cluster, place), cluster.places.values())
            )

    @contextlib.contextmanager
    def in_use(self, name: str) -> Iterator[Cluster]:
        """Hold a cluster for the length of a run: nobody else can stop it or take it down."""
        with self._claimed(name) as cluster:
            yield cluster

    @contextlib.contextmanager
    def borrowed(
        self,
        name: str,
        topology: Topology,
        runtime: str,
        budget: Budget,
        not_these: Collection[str] = (),
    ) -> Iterator[Cluster]:
        """A cluster for the length of a run: one that is up and alike, else one of its own.

        Parameters
        ----------
        name : of a cluster brought up for this; taken down afterwards. A former one is removed.
        not_these : names of clusters that are taken.
        """
        for other in self._ledger.clusters()[0]:
            alike = (other.topology, other.runtime, other.budget) == (topology, runtime, budget)
            if alike and other.phase == "up" and other.name not in {name, *not_these}:
                with self.in_use(other.name) as cluster:
                    nodes = [n for n in cluster.places if self.state(cluster, n) == "running"]
                    self._limit(cluster, nodes)
                    yield cluster.seen()
                return
        if self._ledger.read(name):
            self.down(name)
        self.up(name, topology, runtime, budget)
        try:
            with self.in_use(name) as cluster:
                yield cluster
        finally:
            self.down(name)

    # --- private: the ledger -----------------------------------------------------------------

    def _up_new(
        self, name: str, topology: Topology, runtime: str, budget: Budget, avoid: set[int]
    ) -> Cluster:
        try:
            cluster = self._claim_new(name, topology, runtime, budget, avoid)
            avoid.update(_ports(cluster))
            self.runtime(runtime).begin(name)
            cluster = self._boot(cluster, topology.nodes)
            limited = [self.runtime(runtime).limit(place) for place in cluster.places.values()]
            return self._change(name, phase="up", owner=None, budgeted=all(limited))
        except BaseException:
            mine = self._ledger.read(name)
            if mine and mine.owner == me():
                self._remove(name, runtime)
            raise

    def _claim_new(
        self, name: str, topology: Topology, runtime: str, budget: Budget, avoid: set[int]
    ) -> Cluster:
        with self._ledger.lock():
            left = self._ledger.read(name)
            if left:
                self._must_be_free(left)
                if left.phase == "up":
                    raise Busy(f"{name!r} has just been brought up by another scalelab")
            taken = self.ports(but=name)
            password = secrets.token_hex(16)
            controls = [self._services[node.service].image.control for node in topology.nodes]
            count = len(controls) + sum(map(bool, controls))
            chosen = ports.reserve(count, taken | avoid, self._ledger.state_id)
            places = self.runtime(runtime).reserve(name, topology, budget, password, chosen)
            cluster = Cluster(
                name=name,
                runtime=runtime,
                topology=topology,
                places=places,
                budget=budget,
                phase="starting",
                created=time.time(),
                owner=me(),
            )
            self._ledger.write(cluster)
        # A tool that was killed here before may have left anything behind, on either runtime.
        self.relays.remove(name)
        for former in {runtime, left.runtime if left else runtime}:
            self.runtime(former).remove(name)
        return cluster

    @contextlib.contextmanager
    def _claimed(self, name: str | None) -> Iterator[Cluster]:
        """Hold a cluster that is up; what this process held before it holds afterwards."""
        with self._ledger.lock():
            cluster = self.find(name)
            self._must_be_free(cluster)
            if cluster.phase != "up":
                raise UsageError(
                    f"{cluster.name!r} was never fully up",
                    f"remove what is left: scalelab down --name {cluster.name}",
                )
            before = cluster.owner if cluster.owner == me() else None
            cluster = dataclasses.replace(cluster, owner=me())
            self._ledger.write(cluster)
        try:
            yield cluster
        finally:
            self._change(cluster.name, owner=before)

    def _change(self, name: str, **fields: object) -> Cluster:
        return self._ledger.change(
            name,
            lambda cluster: dataclasses.replace(cluster, **fields),  # type: ignore[arg-type]
        )

    def _taken_over(self, cluster: Cluster, nodes: Collection[str]) -> None:
        """Strike what the user has undone by stopping or starting nodes since."""

        def left(fault: ActiveFault) -> bool:
            return bool(fault.link) or fault.target not in nodes or fault.inverse not in _ACTS

        self._ledger.change(
            cluster.name,
            lambda c: dataclasses.replace(c, faults=tuple(filter(left, c.faults))),
        )

    def _remove(self, name: str, runtime: str) -> None:
        self.relays.remove(name)
        self.runtime(runtime).remove(name)
        with self._ledger.lock():
            self._ledger.forget(name)

    def _must_be_free(self, cluster: Cluster) -> None:
        if cluster.owner and cluster.owner != me() and processes.alive(*cluster.owner):
            raise Busy(
                f"{cluster.name!r} is {_PHASES[cluster.phase]} by another scalelab"
                f" (process {cluster.owner[0]})",
                "wait until it is done, or end it",
            )

    @staticmethod
    def _must_match(cluster: Cluster, topology: Topology, runtime: str, budget: Budget) -> None:
        wanted = (topology.name, dict(topology.params), runtime, budget)
        have = (
            cluster.topology.name,
            dict(cluster.topology.params),
            cluster.runtime,
            cluster.budget,
        )
        if wanted != have:
            given = ", ".join(f"{k}={v}" for k, v in cluster.topology.params.items())
            raise UsageError(
                f"{cluster.name!r} is up already, as {cluster.topology.name}"
                f" ({given or 'no parameters'}) on {cluster.runtime}"
                f" with {_words(cluster.budget)} a node",
                "take it down first, or choose another --name",
            )

    # --- private: nodes ----------------------------------------------------------------------

    def _boot(self, cluster: Cluster, nodes: Collection[Node]) -> Cluster:
        handles = booting.boot(cluster, nodes, self.runtime(cluster.runtime), self._services)
        return self._change(cluster.name, handles=handles)

    def _restart(self, cluster: Cluster, nodes: Collection[Node]) -> None:
        stopped = cluster.stopped - {node.name for node in nodes}
        runtime = self.runtime(cluster.runtime)
        try:
            self._boot(self._change(cluster.name, stopped=stopped), nodes)
            for node in nodes:
                runtime.limit(cluster.places[node.name])
        except BaseException:
            # A node that runs although the ledger does not know of it would be worse.
            for node in nodes:
                runtime.stop(cluster.places[node.name], None, kill=True)
            raise

    def _limit(self, cluster: Cluster, nodes: Collection[str]) -> None:
        """Limit nodes that run: a tool killed while it started one had no time to do it."""
        for node in nodes:
            self.runtime(cluster.runtime).limit(cluster.places[node])

    def _settle(self, cluster: Cluster, idle: Collection[Node]) -> None:
        """Start these nodes, and finish what a promotion that was cut short left undone."""
        leaders = [node for node in idle if node.follows is None]
        followers = [node for node in idle if node.follows is not None]
        if leaders:
            self._restart(cluster, leaders)
        # Followers need the slots that a leader has made for them.
        cluster = self.find(cluster.name)
        failover.settle(cluster, self.runtime(cluster.runtime), self._services)
        if followers:
            self._restart(cluster, followers)

    @staticmethod
    def _must_be_direct(cluster: Cluster) -> None:
        for fault in cluster.faults:
            if fault.link and not fault.link.startswith(f"{CLIENT}--"):
                raise UsageError(
                    f"{fault.word} of {fault.target} is on ({fault.id}): nodes cannot trade places",
                    f"heal it first: scalelab fault heal {fault.id}",
                )

    def _fence(self, cluster: Cluster, leader: str, heir: str, *, clean: bool) -> None:
        """End a leader for good before another one leads; back again where the heir cannot."""
        self._change(cluster.name, stopped=cluster.stopped | {leader})
        place, handle = cluster.places[leader], cluster.handles.get(leader)
        self.runtime(cluster.runtime).stop(place, handle, kill=not clean)
        try:
            # Only now: a leader that runs is always a little ahead with one or the other.
            failover.must_be_ahead(cluster, heir, self._services)
        except UsageError:
            if clean:
                self._restart(self._change(cluster.name), [place.node])
            raise

    def _observe(self, cluster: Cluster, place: Place) -> NodeReport:
        name = place.node.name
        runtime, handle = self.runtime(cluster.runtime), cluster.handles.get(name)
        state = runtime.state(place, handle)
        if state.state == "exited" and name in cluster.stopped:
            state = dataclasses.replace(state, state="stopped")
        facts = {}
        if state.state == "running":
            facts = dict(self._services[place.node.service].inspect(place, cluster.places))
        # Asked directly, shown as its users see it: a link that is cut must not cut this off.
        memory = runtime.memory(place, handle)
        return NodeReport(cluster.seen().places[name], state, memory, facts)


def _ports(cluster: Cluster) -> Iterator[int]:
    """Those its nodes listen on."""
    for place in cluster.places.values():
        yield from (address.port for address in (place.client, place.control) if address)


def _words(budget: Budget) -> str:
    cpus = "no CPU limit" if budget.cpus is None else f"{budget.cpus:g} CPU"
    memory = "no memory limit" if budget.memory is None else f"{budget.memory / 1024**2:g} MB"
    disk = "" if budget.disk is None else f", a disk of {budget.disk / 1024**2:g} MB"
    return f"{cpus} and {memory}{disk}"


def me() -> tuple[int, float]:
    """This process: its pid and its start time in seconds since the epoch."""
    return os.getpid(), psutil.Process().create_time()
