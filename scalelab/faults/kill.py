"""A node's server ends as in a power cut, and comes back by its own crash recovery."""

from __future__ import annotations

from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault
from scalelab.protocols import Scene


class Kill(NodeFault):
    summary = "End a node's server like a power cut (SIGKILL)."
    inverse = "start"

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.stop(fault.target, kill=True)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.start(fault.target)

    def words(self, fault: ActiveFault) -> str:
        return "ended by SIGKILL"


FAULT = Kill()
