"""Figures that a run may have beside its speed: of correctness, availability and cost. Pure.

Cost is of a run (``measure.cost``). Every other figure is of a slice, and comes from a checker
(``measure.checkers``), from the timeline, or from the workload's own audit of the servers once the
slice is over. A lab may claim any of them.
"""

from __future__ import annotations

import functools
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scalelab.measure import availability
from scalelab.measure.checkers import lost_writes
from scalelab.measure.checkers.duplicates import Seen
from scalelab.measure.cost import COST
from scalelab.model import Struck, WorkerReport


@dataclass(frozen=True)
class Figure:
    """What a figure is called, and what becomes of it over the rounds.

    Parameters
    ----------
    label : a column's heading.
    text : what it counts, in a sentence.
    combine : all rounds' figures to one.
    quiet : not worth a column where every variant has none.
    """

    label: str
    text: str
    combine: Callable[[Sequence[float]], float]
    quiet: bool = False


FIGURES: Mapping[str, Figure] = {
    "lost": Figure("lost", "acknowledged writes that were not there in the end", sum),
    "recovered": Figure("recov", "writes of unknown outcome that were there", sum, True),
    "duplicated": Figure("twice", "elements that were there more than once", sum, True),
    "own_writes_missed": Figure("own missed", "reads that missed their session's write", sum),
    "went_back": Figure("went back", "reads older than an earlier one of their session", sum),
    "not_linearizable": Figure("not lin", "keys whose reads and writes no order explains", sum),
    "sum_error": Figure("sum off", "how far the sum was from what it must be", sum),
    "in_doubt": Figure("in doubt", "transactions neither committed nor rolled back", sum),
    "hottest_share": Figure("hottest", "the busiest shard over the mean", statistics.fmean),
    "moved_share": Figure(
        "moved", "share of the keys that went to another shard", statistics.fmean
    ),
    "pause_ms": Figure("pause ms", "milliseconds that a key on the move could not be written", max),
    "origin_rate": Figure(
        "db q/s", "queries a second, by the database's own count", statistics.fmean
    ),
    "origin_peak": Figure(
        "db peak", "the database's busiest tenth of a second over the mean", statistics.fmean
    ),
    "divergent": Figure("differ", "rows and documents that differed in the end", sum),
    "refused": Figure("refused", "changes refused by version: late, or there twice", sum, True),
    "lag_ms": Figure(
        "lag ms", "milliseconds until a change could be found, median", statistics.fmean
    ),
    "wal_kept_bytes": Figure("WAL kept", "most bytes of log a slot kept back", max, True),
    "rebuild_s": Figure("rebuild s", "seconds a rebuild took", statistics.fmean, True),
    "cached_filters": Figure(
        "cached", "share of filters that the server's own cache answered", statistics.fmean
    ),
    "unavailable_s": Figure("down s", "seconds in which nothing completed", statistics.fmean),
    "recovery_s": Figure("recov s", "seconds from the fault until it served", statistics.fmean),
    COST: Figure("cost/1k", "a month's price of 1,000 operations a second", statistics.fmean),
}


def of_checkers(reports: Sequence[WorkerReport], found: Seen | None) -> dict[str, float]:
    """What the checkers say of one slice.

    Parameters
    ----------
    found : the final read, None where there was none.
    """
    said: dict[str, float] = {}
    adds = [each for report in reports for each in report.adds]
    if adds and found is not None:
        writes = lost_writes.judge(adds, found)
        said |= {
            "lost": writes.lost,
            "recovered": writes.recovered,
            "duplicated": writes.duplicated,
        }
    guarantees = [report.guarantees for report in reports if report.guarantees is not None]
    if guarantees:
        said["own_writes_missed"] = sum(each.read_your_writes for each in guarantees)
        said["went_back"] = sum(each.monotonic_reads for each in guarantees)
    registers = [report.registers for report in reports if report.registers is not None]
    if registers:
        explained = functools.reduce(operator.add, registers)
        # What was not looked at may be wrong: then nothing is said of none.
        if explained.outcome != "unknown":
            said["not_linearizable"] = explained.violations
    return said


def of_timeline(
    reports: Sequence[WorkerReport], counted: str, duration_s: float, struck: Sequence[Struck]
) -> dict[str, float]:
    """How long one slice's faults were felt; nothing where operations are too few to tell.

    Parameters
    ----------
    counted : the kind of operation whose absence is an outage.
    """
    timelines = [report.timeline.get(counted, ()) for report in reports]
    begun_s = max((report.begun_s for report in reports), default=0.0)
    found = availability.outages(timelines, begun_s, duration_s)
    if found is None:
        return {}
    first = min(each.at_s for each in struck)
    return {
        "unavailable_s": sum(outage.lasted_s for outage in found),
        "recovery_s": availability.recovery_s(found, first, duration_s),
    }


def combined(slices: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """One figure each over all rounds; a round that lacks one does not count for it."""
    listed: dict[str, list[float]] = {}
    for figures in slices:
        for name, value in figures.items():
            listed.setdefault(name, []).append(value)
    return {name: float(FIGURES[name].combine(listed[name])) for name in FIGURES if name in listed}
