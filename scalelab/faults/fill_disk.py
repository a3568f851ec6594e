"""A node's disk is full: not to be had yet, and said so."""

from __future__ import annotations

from collections.abc import Mapping

from scalelab.errors import EnvironmentLacks
from scalelab.faults._node import NodeFault
from scalelab.model import ActiveFault
from scalelab.protocols import Scene


class FillDisk(NodeFault):
    """Refused on every runtime.

    A node's data are on the disk of this machine, or of the Docker host. To fill it for one node
    alone takes a file system of the node's own, made when the node is: without it everybody's disk
    would be full. A limit on the size of files is no substitute: it gives servers another error
    (EFBIG) than a full disk (ENOSPC), at another moment.
    """

    summary = "Fill a node's disk (not to be had yet: it has none of its own)."
    inverse = "free"

    def check(self, options: Mapping[str, float]) -> None:
        raise EnvironmentLacks(
            "fill-disk cannot be had, on neither runtime: nodes have no file system of their own,"
            " and yours must not be filled",
            "stop, pause or kill the node instead: scalelab fault --help",
        )

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        self.check(fault.options)

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        """Nothing was done."""

    def words(self, fault: ActiveFault) -> str:
        return "no space left"


FAULT = FillDisk()
