"""A link takes longer: latency, and jitter around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab import units
from scalelab.errors import UsageError
from scalelab.faults._link import LinkFault
from scalelab.model import ActiveFault, FaultOption, Reading
from scalelab.protocols import Scene

_LEAST_S, _MOST_S = 0.001, 5.0
_MANY = 0.2
"""Up to this latency, in seconds, a round trip is the median of nine, else of three."""
_ROUND_TRIPS = 20
"""At most so many round trips are made to connect and to measure."""


class Slow(LinkFault):
    summary = "Add latency and jitter to a link."
    options = (
        FaultOption("latency", "duration", 0.05, "Added to a round trip, half of it each way."),
        FaultOption("jitter", "duration", 0.0, "The latency varies by as much, up and down."),
    )

    def check(self, options: Mapping[str, float]) -> None:
        latency, jitter = options["latency"], options["jitter"]
        if not _LEAST_S <= latency <= _MOST_S:
            raise UsageError(
                f"--latency {units.brief(latency)} is out of range",
                f"it goes from {units.brief(_LEAST_S)} to {units.brief(_MOST_S)}",
            )
        if jitter > latency:
            raise UsageError(
                f"--jitter {units.brief(jitter)} is more than the latency, {units.brief(latency)}",
                "no answer can come before its question: raise --latency",
            )

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        latency = fault.options["latency"]
        times = 9 if latency <= _MANY else 3
        return scene.round_trip(fault.link, times, patience_s + _ROUND_TRIPS * latency)

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        # A quarter of it: with a jitter as large as the latency a median may be that low.
        added = (now.value or 0.0) - (before.value or 0.0)
        return now.value is not None and added >= 1000 * fault.options["latency"] / 4

    def impairment(self, fault: ActiveFault) -> Mapping[str, Any]:
        return {
            "delay_s": fault.options["latency"] / 2,
            "jitter_s": fault.options["jitter"] / 2,
        }

    def words(self, fault: ActiveFault) -> str:
        latency, jitter = fault.options["latency"], fault.options["jitter"]
        varying = f" ± {units.brief(jitter)}" if jitter else ""
        return f"{units.brief(latency)}{varying} added to a round trip"


FAULT = Slow()
