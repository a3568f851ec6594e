"""A node's server ends cleanly, as for maintenance."""

from __future__ import annotations

from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault
from scalelab.protocols import Scene


class Stop(NodeFault):
    summary = "Stop a node's server cleanly, as for maintenance."
    inverse = "start"

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.stop(fault.target)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.start(fault.target)

    def words(self, fault: ActiveFault) -> str:
        return "stopped cleanly"


FAULT = Stop()
