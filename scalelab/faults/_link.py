"""What the faults of a link share: its relay does them, and undoes them."""

from __future__ import annotations

from collections.abc import Mapping

from scalelab.model import ActiveFault, Budget, FaultOption
from scalelab.protocols import Scene


class LinkFault:
    """A fault of a link."""

    on_link = True
    inverse = "lift"
    options: tuple[FaultOption, ...] = ()

    def check(self, options: Mapping[str, float]) -> None:
        """Any options go together."""

    def require(self, budget: Budget) -> None:
        """Links between any nodes can have it."""

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.impair(fault.link)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.relieve(fault.link, fault.id)
