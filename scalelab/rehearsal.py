"""A variant is driven until it is steady, before anything counts.

Caches fill, servers settle after the load, and a generator that is too small shows: all this is
decided on rehearsals alone. No counted slice is looked at to decide what counts, and how many
slices count is fixed beforehand, so that nothing here can favour a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from scalelab.measure import warmup
from scalelab.measure.summary import WARN_SHARE
from scalelab.model import Load, Rehearsal, WorkerReport

LIMIT_S = 16.0
"""A variant that is not steady after so many seconds is measured all the same, and it is said."""
_FIRST_S = warmup.MIN_BINS * warmup.BIN_S
_MORE_S = 3.0
"""What is measured at once, as long as it takes to be judged at all, and then each time again."""
_BRIEF_S = 1.0
"""Long enough for connections, plans and the servers' own memory; caches are another matter."""


def rehearse(
    variant: str,
    load: Load,
    drive: Callable[[Load], Sequence[WorkerReport]],
    grow: Callable[[], bool],
    seeds: Callable[[int], int],
    *,
    cores: int,
    brief: bool,
) -> tuple[Rehearsal, Load]:
    """Drive a variant until MSER-5 calls its throughput steady, for 16 s at most.

    A closed loop whose busiest worker is short of CPU gets one worker more, as long as ``grow``
    and the cores allow, and starts its rehearsal anew.

    Parameters
    ----------
    drive : drives one slice.
    grow : adds a worker to those that drive; False when there can be no more.
    seeds : the seed of each slice, by its number from 0.
    cores : that this process may use.
    brief : one slice only, and nothing is said of steadiness.

    Returns
    -------
    What was done, and the load with the workers the variant ended with.
    """
    measured_s = min(load.duration_s, _BRIEF_S) if brief else _FIRST_S
    bins: list[float] = []
    added: list[float] = []
    driven = anew = 0.0
    steady: bool | None = None
    for number in range(1_000_000):
        rehearsed = replace(_unstaged(load), duration_s=measured_s, seed=seeds(number))
        reports = drive(rehearsed)
        driven += load.warmup_s + measured_s
        anew += load.warmup_s + measured_s
        busy = max((report.cpu_share for report in reports), default=0.0)
        if busy >= WARN_SHARE and _room(load, cores) and grow():
            load = replace(load, workers=load.workers + 1)
            added.append(round(busy, 4))
            bins, anew, measured_s = [], 0.0, _FIRST_S
        else:
            bins += warmup.bins(reports, rehearsed)
            measured_s = _MORE_S
        # What answers nothing is not waited for: the first round says why.
        if brief or not any(sum(report.counts.values()) for report in reports):
            break
        steady = warmup.settled(bins)
        if steady or anew + load.warmup_s + measured_s > LIMIT_S:
            break
    return Rehearsal(variant, driven, steady, tuple(added)), load


def _unstaged(load: Load) -> Load:
    """At the rate a slice begins with: one that changes by itself is never steady."""
    return replace(load, rate=load.stages[0].rate, stages=()) if load.stages else load


def _room(load: Load, cores: int) -> bool:
    """Whether one worker more would have a client and a core of its own, in a closed loop."""
    return load.rate is None and load.workers < min(load.clients, cores)
