"""A link carries only so many bytes a second, each way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab import units
from scalelab.errors import UsageError
from scalelab.faults._link import LinkFault
from scalelab.model import ActiveFault, FaultOption, Reading
from scalelab.protocols import Scene

_LEAST, _MOST = 1e3, 1e9
_LARGEST = 4_000_000
_TOLERANCE = 1.3


class Throttle(LinkFault):
    summary = "Cap a link's bandwidth, each way."
    options = (FaultOption("rate", "rate", 1e6, "Bytes a second, all connections together."),)

    def check(self, options: Mapping[str, float]) -> None:
        if not _LEAST <= options["rate"] <= _MOST:
            raise UsageError(
                f"--rate {units.rate(options['rate'])} is out of range",
                f"it goes from {units.rate(_LEAST)} to {units.rate(_MOST)}",
            )

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        rate = fault.options["rate"]
        size = int(min(rate, _LARGEST))  # a second's worth
        return scene.throughput(fault.link, size, patience_s + 3 * size / rate)

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        if before.value is None or now.value is None:
            return False
        # A link that is slower by itself is not capped by this.
        return now.value <= _TOLERANCE * fault.options["rate"] < _TOLERANCE * before.value

    def impairment(self, fault: ActiveFault) -> Mapping[str, Any]:
        return {"rate": fault.options["rate"]}

    def words(self, fault: ActiveFault) -> str:
        return f"at most {units.rate(fault.options['rate'])} each way"


FAULT = Throttle()
