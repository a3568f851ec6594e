"""When did a service not serve? Judged by counts a tick, where silence means something. Pure.

A tick (``model.TICK_S``) in which nothing completed is an outage only if, by chance alone, it would
hardly be empty: the operations are many enough that an empty tick is expected less than once in a
thousand slices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from scalelab.model import TICK_S

ENOUGH = 10
"""Operations a tick, by the busiest half of the ticks, from which an empty one is no accident.

Arrivals at random with this mean leave a tick empty with a chance of e^-10.
"""


@dataclass(frozen=True)
class Outage:
    """A stretch in which nothing completed, in seconds since the measured time began."""

    from_s: float
    to_s: float

    @property
    def lasted_s(self) -> float:
        """How long it was."""
        return self.to_s - self.from_s


def measured(timelines: Iterable[Sequence[int]], begun_s: float, duration_s: float) -> list[int]:
    """Completed operations of all workers in each tick of the measured time; see ``outages``."""
    first, last = round(begun_s / TICK_S), round((begun_s + duration_s) / TICK_S)
    total = [sum(tick) for tick in zip_longest(*timelines, fillvalue=0)]
    return [*total, *[0] * (last - len(total))][first:last]


def outages(
    timelines: Iterable[Sequence[int]], begun_s: float, duration_s: float
) -> tuple[Outage, ...] | None:
    """Outages in the measured time, whole ticks each; None where there is too little to tell by.

    Parameters
    ----------
    timelines : of the workers, of one operation kind: completed operations a tick.
    begun_s : when the measured time began, in seconds from the first tick.
    duration_s : of the measured time.
    """
    ticks = measured(timelines, begun_s, duration_s)
    busy = sorted(ticks)[len(ticks) // 2 :]
    if not busy or sum(busy) / len(busy) < ENOUGH:
        return None
    found: list[Outage] = []
    for number, done in enumerate(ticks):
        if done:
            continue
        begins, ends = number * TICK_S, (number + 1) * TICK_S
        if found and abs(found[-1].to_s - begins) < TICK_S / 2:
            begins = found.pop().from_s
        found.append(Outage(begins, ends))
    return tuple(found)


def recovery_s(found: Iterable[Outage], at_s: float, until_s: float) -> float:
    """Seconds from a fault until the service served for good again; 0 when it never stopped.

    Parameters
    ----------
    at_s, until_s : when the fault was applied, and when the next one was (or the slice ended).
    """
    after = [outage.to_s for outage in found if outage.to_s > at_s and outage.from_s < until_s]
    return max(after, default=at_s) - at_s
