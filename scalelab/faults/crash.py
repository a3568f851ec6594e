"""A node's server crashes; what watches over it, if anything does, sees that and acts."""

from __future__ import annotations

from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault
from scalelab.protocols import Scene


class Crash(NodeFault):
    summary = "End a node's server alone by SIGKILL: what watches over it stays, and acts."
    inverse = "start"

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.crash(fault.target)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.start(fault.target)

    def words(self, fault: ActiveFault) -> str:
        return "its server ended by SIGKILL"


FAULT = Crash()
