"""A link is cut, both ways or one: what is sent into the cut arrives after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab.faults._link import LinkFault
from scalelab.model import ActiveFault, FaultOption, Reading
from scalelab.protocols import Scene


class Partition(LinkFault):
    summary = "Cut a link: nothing arrives, nobody is told."
    options = (
        FaultOption("one_way", "flag", 0, "Only from the target's first end to its second."),
    )

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        return scene.round_trip(fault.link, 3, patience_s)

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        return now.value is None

    def impairment(self, fault: ActiveFault) -> Mapping[str, Any]:
        if not fault.options["one_way"]:
            return {"hold": ["there", "back"]}
        named_as_it_connects = fault.link.partition("--")[0] == fault.target.partition("--")[0]
        # A node alone means the link of its clients, and that is named from their end.
        forward = named_as_it_connects or "--" not in fault.target
        return {"hold": ["there" if forward else "back"]}

    def words(self, fault: ActiveFault) -> str:
        if not fault.options["one_way"]:
            return "cut both ways"
        first, arrow, second = fault.target.partition("--")
        if not arrow:
            first, _, second = fault.link.partition("--")
        return f"cut one way, from {first} to {second}"


FAULT = Partition()
