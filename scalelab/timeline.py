"""Faults on a run's timeline: struck at their moments in every slice, undone before the next."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from scalelab.cluster import Clusters
from scalelab.errors import CheckFailed, ScalelabError
from scalelab.injection import Injector, in_healing_order
from scalelab.model import ActiveFault, Cluster, Reading, Struck
from scalelab.strokes import PROMOTE, Stroke

_POLL_S = 0.002
_LONGEST_S = 3600.0
_PROOF_S = 0.4
"""Whoever does not answer for so long, in seconds, is taken for struck: the next may be due."""


class Timeline:
    """What strikes each variant's cluster in every slice.

    Parameters
    ----------
    strokes : by variant.
    """

    def __init__(
        self, strokes: Mapping[str, Sequence[Stroke]], injector: Injector, clusters: Clusters
    ) -> None:
        self._strokes = {name: sorted(each, key=lambda s: s.at_s) for name, each in strokes.items()}
        self._injector, self._clusters = injector, clusters
        self._before: dict[Stroke, Reading] = {}

    def strikes(self, variant: str) -> bool:
        """Whether anything happens to this variant."""
        return bool(self._strokes.get(variant))

    @contextlib.contextmanager
    def during(
        self, variant: str, cluster: Cluster, begun: Callable[[], float | None]
    ) -> Iterator[list[Struck]]:
        """Strike the cluster while the body drives a slice; the list is filled as it happens.

        Parameters
        ----------
        begun : when the slice's measured time begins, on the clock of ``time.perf_counter``; None
            as long as nobody knows.

        Raises
        ------
        CheckFailed : a fault took no effect, or could not be applied.
        """
        struck: list[Struck] = []
        over, failed = threading.Event(), list[ScalelabError]()
        earlier = begun()  # that of the slice before

        def strike() -> None:
            while (start := begun()) is None or start == earlier:
                if over.wait(_POLL_S):
                    return
            try:
                struck.extend(self._strike(variant, cluster.name, start, over))
            except ScalelabError as error:
                failed.append(error)

        striking = threading.Thread(target=strike, daemon=True)
        if self.strikes(variant):
            self._before = self._measured(variant, cluster.name)
            striking.start()
        try:
            yield struck
        finally:
            over.set()
            if striking.ident is not None:
                striking.join()
        if failed:
            raise CheckFailed(
                f"a fault of {variant} failed: {failed[0].message}", failed[0].hint
            ) from failed[0]

    def restore(self, variant: str, cluster: Cluster) -> None:
        """Undo everything a slice's faults did: the cluster is again as it was brought up."""
        if not self.strikes(variant):
            return
        for fault in in_healing_order(self._clusters.find(cluster.name)):
            self._injector.heal(cluster.name, fault)
        self._clusters.start(cluster.name, ())
        first = next(iter(cluster.places.values())).node
        now = self._clusters.find(cluster.name).places[first.name].node
        if now.follows is not None and first.follows is None:
            self._clusters.promote(cluster.name, first.name)

    def _strike(
        self, variant: str, name: str, start: float, over: threading.Event
    ) -> Iterator[Struck]:
        """Everything in its order; what takes long makes the next late, and that is told."""
        ends: list[tuple[float, Stroke, ActiveFault, float]] = []
        acts = [(stroke.at_s, stroke) for stroke in self._strokes[variant]]
        while acts or ends:
            ends.sort(key=lambda end: end[0])
            if ends and (not acts or ends[0][0] <= acts[0][0]):
                until, stroke, fault, at_s = ends.pop(0)
                cut_short = over.wait(max(0.0, start + until - time.perf_counter()))
                if not cut_short:
                    self._injector.heal(name, fault)
                healed_s = None if cut_short else time.perf_counter() - start
                yield Struck(stroke.text, at_s, healed_s)
                continue
            at_s, stroke = acts.pop(0)
            if over.wait(max(0.0, start + at_s - time.perf_counter())):
                continue
            if stroke.kind == PROMOTE:
                began = time.perf_counter()
                self._promote(name, stroke.target)
                yield Struck(stroke.text, began - start, time.perf_counter() - start)
                continue
            done = self._injector.inject(
                name,
                stroke.kind,
                stroke.target,
                stroke.options,
                # Whoever comes after a tool that was killed heals it.
                for_s=stroke.for_s or _LONGEST_S,
                before=self._before.get(stroke),
                proof_s=_PROOF_S,
            )
            if stroke.for_s is None:
                yield Struck(stroke.text, done.applied - start, None)
            else:
                at_s = done.applied - start
                ends.append((at_s + stroke.for_s, stroke, done.fault, at_s))

    def _measured(self, variant: str, name: str) -> dict[Stroke, Reading]:
        """How it is before the slice: under its load a question may have to wait for seconds.

        Not of what an earlier stroke changes: it is measured when its time has come.
        """
        found: dict[Stroke, Reading] = {}
        touched: set[str] = set()
        for stroke in self._strokes[variant]:
            if stroke.kind != PROMOTE and not touched.intersection(stroke.nodes):
                found[stroke] = self._injector.measure(
                    name, stroke.kind, stroke.target, stroke.options
                )
            touched.update(stroke.nodes)
        return found

    def _promote(self, name: str, node: str) -> None:
        # A dead leader's links go with it: who takes its place is reached directly.
        for fault in in_healing_order(self._clusters.find(name)):
            if fault.link:
                self._injector.heal(name, fault)
        self._clusters.promote(name, node)
