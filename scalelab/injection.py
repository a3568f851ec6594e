"""Faults on a cluster: written down, applied, proved by measurement, healed.

The order is always the same. Inject: measure, write the fault and its inverse into the ledger,
apply it, measure again; without an effect it is healed and that is an error. Heal: undo, strike it
from the ledger, measure. Whatever is killed in between, the ledger has it until it is undone.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from scalelab import links, units
from scalelab.cluster import Clusters, me
from scalelab.errors import Busy, CheckFailed, ScalelabError, UnknownName, UsageError
from scalelab.ledger import Ledger
from scalelab.model import CLIENT, LEADER, ActiveFault, Cluster, Reading, Route
from scalelab.protocols import Fault, Service
from scalelab.runtimes import processes
from scalelab.scene import Scene

_ANSWER_S = 2.0
"""An answer that stays out for so long, in seconds, is none."""
_SETTLE_S = 30.0
"""How long a healed target may take to answer again, in seconds."""
_PROOF_S = 300.0
"""At most so much longer than asked for lasts a fault whose tool is killed during its proof."""


@dataclass(frozen=True)
class Injected:
    """A fault and what was measured of it: before, while it is on, and once it is healed.

    Parameters
    ----------
    applied : when it had been, on the clock of ``time.perf_counter``.
    """

    cluster: str
    fault: ActiveFault
    before: Reading | None
    during: Reading | None
    healed: Reading | None = None
    applied: float = 0.0


class Injector:
    """Injects and heals faults.

    Parameters
    ----------
    kinds : every kind of fault, by name.
    """

    def __init__(
        self,
        ledger: Ledger,
        clusters: Clusters,
        services: Mapping[str, Service],
        kinds: Mapping[str, Fault],
    ) -> None:
        self._ledger = ledger
        self._clusters = clusters
        self._services = services
        self._kinds = kinds

    def inject(
        self,
        name: str | None,
        kind: str,
        target: str,
        options: Mapping[str, float],
        for_s: float | None = None,
        *,
        before: Reading | None = None,
        proof_s: float = _ANSWER_S,
    ) -> Injected:
        """Apply a fault and prove it.

        Parameters
        ----------
        name : of the cluster; None for the only one.
        options : those given, in their own units; the others have their defaults.
        for_s : seconds after which it expires, counted from the proof. This process then has to
            heal it (or whoever comes next); None leaves it on.
        before : what ``measure`` gave earlier; measured now by default.
        proof_s : who does not answer for so long, in seconds, answers no more.

        Raises
        ------
        UnknownName, UsageError : there is no such cluster, node or link, it does not run, or the
            fault is on already.
        CheckFailed : it took no effect; it is healed.
        """
        way, complete = self._complete(kind, options)
        with self._ledger.acting():
            cluster = self._running(name)
            fault = self._planned(cluster, kind, target, complete, for_s)
            link, scene = fault.link, self._scene(cluster)
            before = before or way.probe(scene, fault, _ANSWER_S)
            if before.value is None:
                raise UsageError(
                    f"{target} does not answer even without this fault",
                    "see why: scalelab status, scalelab fault list",
                )
            try:
                self._ledger.change(cluster.name, lambda c: _with(c, fault))
                way.apply(scene, fault)
                applied = time.perf_counter()
                during = way.probe(scene, fault, proof_s)
                if not way.took(fault, before, during):
                    raise CheckFailed(
                        f"{fault.word} of {target} took no effect: {before.what} was"
                        f" {figure(before)} and is {figure(during)}",
                        "it is healed again; the target may be slower than that by itself",
                    )
                until = None if for_s is None else time.time() + for_s
                fault = dataclasses.replace(fault, until=until, owner=me() if until else None)
                self._ledger.change(cluster.name, lambda c: _with(c, fault))
                if link and until:
                    scene.renew(link)  # the relay keeps the time too
            except BaseException:
                self._undo(cluster.name, fault)
                raise
        return Injected(cluster.name, fault, before, during, applied=applied)

    def measure(self, name: str, kind: str, target: str, options: Mapping[str, float]) -> Reading:
        """What a fault would change, as it is now; nothing is changed."""
        way, complete = self._complete(kind, options)
        with self._ledger.acting():
            cluster = self._running(name)
            fault = self._planned(cluster, kind, target, complete, None)
            return way.probe(self._scene(cluster), fault, _ANSWER_S)

    def heal(self, name: str, fault: ActiveFault) -> Injected | None:
        """Undo a fault and measure that it is undone; None when somebody else has done it.

        Raises
        ------
        UsageError : another fault has to be healed first.
        CheckFailed : its target does not answer although no fault is left.
        """
        with self._ledger.acting():
            cluster = self._ledger.read(name)
            if cluster is None or fault.id not in {other.id for other in cluster.faults}:
                return None
            self._undo(name, fault)
            scene = self._scene(cluster)
            way = self._kinds[fault.kind]
            left = self._clusters.find(name).faults
            reading = way.probe(scene, fault, _ANSWER_S if left else _SETTLE_S)
            if reading.value is None and not left:
                raise CheckFailed(
                    f"{fault.word} of {fault.target} is healed, but {fault.target} does not answer",
                    "see: scalelab status, scalelab logs",
                )
        return Injected(name, fault, None, None, reading)

    def chosen(
        self, name: str | None, what: str | None, everything: bool
    ) -> list[tuple[str, ActiveFault]]:
        """The faults a user wants healed, in the order to heal them, each with its cluster.

        Parameters
        ----------
        name : of a cluster; None looks at all.
        what : an id or a target; None for the only fault there is.

        Raises
        ------
        UnknownName, UsageError : no fault is on, there is no such one, or it is not clear which.
        """
        found, _ = self._clusters.all()
        if name is not None:
            found = [self._clusters.find(name)]
        on = [(cluster, fault) for cluster in found for fault in in_healing_order(cluster)]
        if not on:
            if everything:
                return []
            raise UsageError("no fault is on", "see: scalelab fault list")
        if what is not None:
            known = {word for cluster, fault in on for word in _words(fault)}
            wanted = [(c, fault) for c, fault in on if what in _words(fault)]
            if not wanted:
                raise UnknownName("fault", what, known)
            by_id = {cluster.name for cluster, fault in wanted}
            if len(by_id) > 1:
                raise UsageError(
                    f"{what!r} is a fault of {', '.join(sorted(by_id))}", "choose one with --name"
                )
            on = wanted
        elif not everything and len(on) > 1:
            raise UsageError(
                f"several faults are on: {', '.join(fault.id for _, fault in on)}",
                "name one, or its target, or use --all",
            )
        return [(cluster.name, fault) for cluster, fault in on]

    def heal_due(self) -> Iterator[str]:
        """Undo what has expired or whose scalelab is gone; a line for each thing done.

        An act of another process is not waited for, and nothing that fails is raised: what could
        not be done is a line too.
        """
        for cluster in self._clusters.all()[0]:
            if cluster.phase != "up" or not (self._due(cluster) or self._astray(cluster)):
                continue
            try:
                with self._ledger.acting(patience_s=0):
                    yield from self._heal_due(cluster.name)
            except Busy:
                return
            except ScalelabError as error:
                yield f"a fault of {cluster.name} could not be healed: {error}; {error.hint}"

    # --- private -----------------------------------------------------------------------------

    def _heal_due(self, name: str) -> Iterator[str]:
        cluster = self._clusters.find(name)
        for fault in self._due(cluster):
            self._undo(name, fault)
            why = "its scalelab is gone" if _orphan(fault) else "its time is over"
            yield f"healed {fault.word} of {fault.target} ({name}): {why}"
        cluster = self._clusters.find(name)
        scene = self._scene(cluster)
        for route in self._astray(cluster):
            if any(fault.link == route.link for fault in cluster.faults):
                scene.renew(route.link)
                yield f"the relay of {route.link} ({name}) had ended: started again"
            else:
                scene.straighten(route)

    def _due(self, cluster: Cluster) -> list[ActiveFault]:
        now = time.time()
        return [
            fault
            for fault in in_healing_order(cluster)
            if (fault.until is not None and fault.until <= now) or _orphan(fault)
        ]

    def _astray(self, cluster: Cluster) -> list[Route]:
        """Routes that no fault needs, and those whose relay has ended."""
        needed = {fault.link for fault in cluster.faults}
        return [
            route
            for route in cluster.routes
            if route.link not in needed or not processes.alive(route.pid, route.started)
        ]

    def _undo(self, name: str, fault: ActiveFault) -> None:
        """Heal a fault and strike it from the ledger; harmless when it is not there any more."""
        cluster = self._clusters.find(name)
        self._must_not_be_cut_off(cluster, fault)
        self._kinds[fault.kind].heal(self._scene(cluster), fault)
        self._ledger.change(
            name, lambda c: dataclasses.replace(c, faults=_without(c.faults, fault.id))
        )

    def _complete(
        self, kind: str, options: Mapping[str, float]
    ) -> tuple[Fault, Mapping[str, float]]:
        """The kind, and all its options, checked before anything is looked for."""
        way = self._kinds[kind]
        complete = {option.name: option.default for option in way.options} | dict(options)
        way.check(complete)
        return way, complete

    def _planned(
        self,
        cluster: Cluster,
        kind: str,
        target: str,
        options: Mapping[str, float],
        for_s: float | None,
    ) -> ActiveFault:
        """The fault as the ledger will have it, if it makes sense."""
        way = self._kinds[kind]
        if target == LEADER and LEADER not in cluster.places:
            target = self._clusters.leader(cluster)
        fault = ActiveFault(
            id=_next_id(cluster),
            kind=kind,
            target=target,
            link=self._target(cluster, way, kind, target),
            inverse=way.inverse,
            options=options,
            created=time.time(),
            until=None if for_s is None else time.time() + for_s + _PROOF_S,
            owner=me(),
        )
        way.require(cluster.budget)
        self._must_make_sense(cluster, fault)
        return fault

    def _running(self, name: str | None) -> Cluster:
        cluster = self._clusters.find(name)
        if cluster.phase != "up":
            raise UsageError(
                f"{cluster.name!r} is not up ({cluster.phase})", "see: scalelab status"
            )
        return cluster

    def _target(self, cluster: Cluster, way: Fault, kind: str, target: str) -> str:
        if way.on_link:
            return links.find(target, cluster.name, cluster.places)
        if target not in cluster.places:
            if "--" in target:
                raise UsageError(
                    f"{kind.replace('_', '-')} takes a node, not the link {target!r}",
                    f"one of {', '.join(cluster.places)}",
                )
            raise UnknownName(f"node of {cluster.name}", target, cluster.places)
        return ""

    def _must_make_sense(self, cluster: Cluster, fault: ActiveFault) -> None:
        for other in cluster.faults:
            # A node has one fault at a time; a link may have one of each kind.
            same = (fault.link, fault.kind) == (other.link, other.kind)
            if not fault.link and not other.link:
                same = fault.target == other.target
            if same:
                raise UsageError(
                    f"{other.word} of {other.target} is on already ({other.id})",
                    f"heal it first: scalelab fault heal {other.id}",
                )
        nodes = [end for end in links.ends(fault.link) if end != CLIENT]
        for node in nodes if fault.link else [fault.target]:
            state = self._clusters.state(cluster, node)
            if state == "paused":
                raise UsageError(f"{node} is paused already", "see: scalelab fault list")
            if state != "running":
                raise UsageError(f"{node} does not run ({state})", f"scalelab start {node}")

    def _must_not_be_cut_off(self, cluster: Cluster, fault: ActiveFault) -> None:
        # A follower counts as started once its leader says that it streams.
        node = cluster.places[fault.target].node if fault.target in cluster.places else None
        if fault.link or node is None or node.follows is None or fault.inverse != "start":
            return
        for other in cluster.faults:
            cut = "hold" in self._kinds[other.kind].impairment(other)
            if cut and other.link == f"{node.name}--{node.follows}":
                raise UsageError(
                    f"{node.name} cannot come back while its link to {node.follows} is cut",
                    f"heal that first: scalelab fault heal {other.id}",
                )

    def _scene(self, cluster: Cluster) -> Scene:
        return Scene(cluster.name, self._ledger, self._clusters, self._services, self._kinds)


def in_healing_order(cluster: Cluster) -> list[ActiveFault]:
    """Links before nodes (a follower starts over its link), then the latest first."""
    latest_first = cluster.faults[::-1]
    return sorted(latest_first, key=lambda fault: fault.link == "")


def figure(reading: Reading) -> str:
    """A measured figure for people: "0.4 ms", "1.2 MB/s", "no answer"."""
    if reading.value is None:
        text = reading.said or "no answer"
    elif reading.key.endswith("_ms"):
        text = units.brief(reading.value / 1000)
    else:
        text = units.rate(reading.value)
    return text if reading.free is None else f"{text} ({units.size(reading.free)} free)"


def _words(fault: ActiveFault) -> set[str]:
    """By what a user may name a fault."""
    first, _, second = fault.link.partition("--")
    words = {fault.id, fault.target, fault.link, f"{second}--{first}" if second else ""}
    if first == CLIENT:
        words.add(second)
    return words - {""}


def _orphan(fault: ActiveFault) -> bool:
    return fault.owner is not None and processes.alive(*fault.owner) is None


def _next_id(cluster: Cluster) -> str:
    return f"f{1 + max((int(fault.id[1:]) for fault in cluster.faults), default=0)}"


def _with(cluster: Cluster, fault: ActiveFault) -> Cluster:
    if cluster.phase != "up":
        raise UsageError(f"{cluster.name!r} is not up any more", "see: scalelab status")
    return dataclasses.replace(cluster, faults=(*_without(cluster.faults, fault.id), fault))


def _without(faults: Collection[ActiveFault], identity: str) -> tuple[ActiveFault, ...]:
    return tuple(fault for fault in faults if fault.id != identity)
