"""What a run's timeline says: which fault strikes what, and when. Pure.

``kill primary @2s``, ``pause replica1 @1s for 500ms``, ``promote replica1 @2.5s``,
``slow replica1--primary @1s latency=200ms``: a kind of fault (or a promotion), its target, when in
the measured time, for how long, and the fault's own options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scalelab import units
from scalelab.errors import UnknownName, UsageError
from scalelab.model import CLIENT
from scalelab.protocols import Fault

PROMOTE = "promote"
_EXAMPLE = "such as: 'kill primary @2s', 'pause replica1 @1s for 500ms', 'promote replica1 @3s'"
_SHAPE = re.compile(r"(?P<kind>\S+)\s+(?P<target>\S+)\s+@\s*(?P<at>\S+)(?P<rest>.*)", re.DOTALL)
_LONGEST_S = 3600.0


@dataclass(frozen=True)
class Stroke:
    """One entry of a timeline.

    Parameters
    ----------
    text : as it was written.
    kind : a file name of ``scalelab/faults``, or ``promote``.
    at_s : seconds after the measured time began.
    for_s : how long it lasts; None until the slice ends.
    """

    text: str
    kind: str
    target: str
    at_s: float
    for_s: float | None = None
    options: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def nodes(self) -> list[str]:
        """The node, or both ends of the link."""
        return self.target.split("--")


def parse(text: str, kinds: Mapping[str, Fault]) -> Stroke:
    """Read an entry.

    Parameters
    ----------
    kinds : every kind of fault, by name.

    Raises
    ------
    UsageError, UnknownName : it is none; the message says which part is wrong.
    """
    found = _SHAPE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--fault {text!r} is no 'KIND TARGET @TIME'", _EXAMPLE)
    kind, target = found["kind"].replace("-", "_"), found["target"]
    if kind not in [*kinds, PROMOTE]:
        raise UnknownName("kind of fault", found["kind"], [*kinds, PROMOTE])
    at_s = units.seconds(found["at"], f"--fault {text!r}: @", 0, _LONGEST_S)
    words, for_s, options = found["rest"].split(), None, {}
    if words[:1] == ["for"]:
        if len(words) < 2 or kind == PROMOTE:
            raise UsageError(f"--fault {text!r}: for what?", _EXAMPLE)
        for_s = units.seconds(words[1], f"--fault {text!r}: for", 0.01, _LONGEST_S)
        words = words[2:]
    for word in words:
        name, equals, value = word.partition("=")
        known = {} if kind == PROMOTE else {option.name: option for option in kinds[kind].options}
        if not equals or name not in known:
            raise UnknownName(f"option of {found['kind']}", name, known)
        options[name] = _value(known[name].unit, value, f"--fault {text!r}: {name}")
    if kind != PROMOTE:
        way = kinds[kind]
        way.check({option.name: option.default for option in way.options} | options)
        if way.on_link and ("--" not in target or target.startswith(f"{CLIENT}--")):
            raise UsageError(
                f"--fault {text!r}: on a timeline links are between nodes, as replica1--primary",
                f"impair the clients' link before the run: scalelab fault {found['kind']} {target}",
            )
    return Stroke(text, kind, target, at_s, for_s, options)


def _value(unit: str, text: str, what: str) -> float:
    if unit == "flag":
        return float(text not in ("0", "no", "false"))
    return units.quantity(unit, text, what)
