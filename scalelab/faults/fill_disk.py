"""A node's own disk has no space left: what it writes is refused, or it ends."""

from __future__ import annotations

from scalelab.errors import UsageError
from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault, Budget, Reading
from scalelab.protocols import Scene

_LEFT = 1024**2
"""A server may give so many bytes back at any moment."""


class FillDisk(NodeFault):
    """Only for nodes with a file system of their own: the machine's must not be filled.

    A limit on the size of files is no substitute: it gives servers another error (EFBIG) than a
    full disk (ENOSPC), at another moment.
    """

    summary = "Fill a node's own disk (up --disk 256M): no space left."
    inverse = "free"

    def require(self, budget: Budget) -> None:
        if budget.disk is None:
            raise UsageError(
                "nodes have no disk of their own, and that of this machine must not be filled",
                "give them one: scalelab up TOPOLOGY --disk 256M, scalelab bench LAB --disk 256M",
            )

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        scene.fill(fault.target)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        scene.free(fault.target)

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        return scene.write(fault.target, patience_s)

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        # Under load an answer may stay out by itself: then the space has to be gone.
        gone = now.free is not None and now.free < _LEFT
        return now.value is None and (gone or now.said != "")

    def words(self, fault: ActiveFault) -> str:
        return "no space left on its disk"


FAULT = FillDisk()
