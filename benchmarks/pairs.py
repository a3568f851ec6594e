"""Two figures side by side: who comes first takes turns, and the ratio is the pairs' median."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator

from scalelab.model import Budget
from scalelab.runtimes import budgets

Row = dict[str, str | float | bool | None]
"""``name, ours, peer, unit, ratio, target, ok``; null figures where there was no peer."""


def compare(
    name: str, ours: Callable[[], float], peer: Callable[[], float], pairs: int, target: float
) -> Row:
    """Measure both in turns; ``ok`` when ours is at least ``target`` times the peer's (1/s)."""
    done = []
    for number in range(pairs):
        # Who comes first takes turns, so that drift favours neither.
        if number % 2:
            theirs, own = peer(), ours()
        else:
            own, theirs = ours(), peer()
        done.append((own, theirs))
    ratio = statistics.median(own / theirs for own, theirs in done)
    own, theirs = (statistics.median(each) for each in zip(*done, strict=True))
    return row(name, own, theirs, "1/s", ratio, f">= {target:g}", ratio >= target)


def row(name: str, ours: float, peer: float, unit: str, ratio: float, target: str, ok: bool) -> Row:
    """A row with figures rounded as they are printed."""
    return {
        "name": name,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "unit": unit,
        "ratio": round(ratio, 3),
        "target": target,
        "ok": ok,
    }


def missing(name: str, target: float, why: str) -> Row:
    """The row of a comparison that could not be made: said, and not passed."""
    return {
        "name": f"{name}: not compared, {why}",
        "ours": None,
        "peer": None,
        "unit": "1/s",
        "ratio": None,
        "target": f">= {target:g}",
        "ok": False,
    }


@contextlib.contextmanager
def part_of_a_core() -> Iterator[list[str]]:
    """The command prefix of what shall get a quarter of a core (where the system can)."""
    found = budgets.find("benchmarks")
    if found is None:
        yield []
        return
    prefix = found.enter("hotloop", "generator")
    found.limit("hotloop", "generator", Budget(cpus=0.25, memory=None))
    try:
        yield prefix
    finally:
        found.remove("hotloop")
