"""A node's processes freeze: its connections stay open, and nothing answers on them."""

from __future__ import annotations

from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault
from scalelab.protocols import Scene


class Pause(NodeFault):
    summary = "Freeze a node: connections stay open, nobody answers."
    inverse = "resume"

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.pause(fault.target)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.resume(fault.target)

    def words(self, fault: ActiveFault) -> str:
        return "every process frozen"


FAULT = Pause()
