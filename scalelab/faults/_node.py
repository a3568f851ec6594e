"""What the faults of a node share: they have taken effect once it answers nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab.model import ActiveFault, Budget, FaultOption, Reading
from scalelab.protocols import Scene


class NodeFault:
    """A fault of a whole node, proved by a question that gets no answer."""

    on_link = False
    options: tuple[FaultOption, ...] = ()

    def check(self, options: Mapping[str, float]) -> None:
        """A node's faults have no options."""

    def require(self, budget: Budget) -> None:
        """Any node can have it."""

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        return scene.round_trip(fault.target, 3, patience_s)

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        return now.value is None

    def impairment(self, fault: ActiveFault) -> Mapping[str, Any]:
        return {}
