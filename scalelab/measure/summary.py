"""Slices in, one row of the result table a variant out. Pure.

Latencies come from the merged HdrHistograms of all rounds and workers, in the operation kind the
lab counts. A percentile is given only where at least one sample is expected beyond it: p95 needs
20 samples, p99 100, p99.9 1,000. Throughput is a mean of rounds, because rounds are the unit that
repeats; its interval says how the mean would move with other rounds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from scalelab.measure import availability, figures, statistics
from scalelab.measure.histogram import Histogram
from scalelab.model import (
    TICK_S,
    Comparison,
    Lab,
    Load,
    Slice,
    StageReport,
    StageSummary,
    Struck,
    VariantSummary,
    WorkerReport,
)

WARN_SHARE = 0.8
"""Busiest worker's share of a core from which the generator may distort the figure."""
LIMIT_SHARE = 0.9
"""The share from which the generator, not the servers, is taken to be the limit."""
KEPT_UP = 0.95
"""Completed over planned arrivals below which an open loop is called overloaded."""


def summarize(
    lab: Lab,
    names: Sequence[str],
    slices: Iterable[Slice],
    load: Load,
    *,
    quick: bool,
    ceiling: float,
) -> tuple[VariantSummary, ...]:
    """One summary a variant, in the order of ``names``, compared with the first of them.

    Parameters
    ----------
    slices : all of a run, in any order.
    quick : no verdicts.
    ceiling : operations a second that one worker can do without a server.
    """
    mine: dict[str, list[Slice]] = {name: [] for name in names}
    for piece in sorted(slices, key=lambda piece: piece.round):
        mine[piece.variant].append(piece)
    worth = dict.fromkeys(names, 1.0) | {each.name: each.worth for each in lab.variants}
    by_round = {
        name: [worth[name] * throughput(piece, lab.counted) for piece in mine[name]]
        for name in mine
    }
    limited = {
        name
        for name in names
        if max(generator_share(mine[name]), _ceiling_share(mine[name], ceiling)) >= LIMIT_SHARE
    }
    comparisons = statistics.compare(by_round, quick=quick, limited=limited)
    return tuple(
        _summary(
            name,
            mine[name],
            by_round[name],
            lab.counted,
            worth[name],
            load,
            ceiling,
            comparisons[name],
        )
        for name in names
    )


def throughput(piece: Slice, counted: str) -> float:
    """Counted operations per second of one slice, each worker over its own measured time."""
    return sum(
        report.counts.get(counted, 0) / report.elapsed_s
        for report in piece.reports
        if report.elapsed_s > 0
    )


def generator_share(slices: Sequence[Slice]) -> float:
    """CPU share of the busiest worker (1 = one core), mean over the rounds."""
    shares = [max((r.cpu_share for r in piece.reports), default=0.0) for piece in slices]
    return sum(shares) / len(shares) if shares else 0.0


def used(summary: VariantSummary) -> float:
    """How much of what the generator can do a variant took: by CPU or by no-op ceiling."""
    return max(summary.cpu_share, summary.ceiling_share)


def overloaded(load: Load, slices: Iterable[Slice]) -> bool:
    """Whether an open loop's servers fell behind the arrivals, if only in one stage.

    The backlog grew then, and response times with it; or what was planned was not even sent.
    """
    if load.rate is None:
        return False
    stages = (report.stages for piece in slices for report in piece.reports)
    return any(_fell_behind(stage) for stage in zip(*stages, strict=True))


def gated(histogram: Histogram, percentile: float) -> float | None:
    """A percentile in ms, None with too few samples for one to be expected beyond it."""
    needed = math.ceil(round(1 / (1 - percentile / 100), 6))
    return histogram.percentile(percentile) / 1000 if histogram.total >= needed else None


def merge(encoded: Iterable[bytes]) -> Histogram:
    """The sum of encoded histograms; of none, an empty one."""
    merged = Histogram()
    for blob in encoded:
        merged.merge(Histogram.decode(blob))
    return merged


def _fell_behind(reports: Sequence[StageReport]) -> bool:
    """Of one stage, in all rounds and workers. What failed is an answer too, and no backlog."""
    planned = sum(report.planned for report in reports)
    ended = sum(report.completed + report.failed for report in reports)
    # A stage may answer much of an earlier one's backlog, and send little of its own.
    sent = planned - sum(report.unsent for report in reports)
    missing = planned - min(ended, sent)
    # One or two are always under way when a slice ends.
    return missing > (1 - KEPT_UP) * planned and missing > 2 * len(reports)


def _ceiling_share(slices: Sequence[Slice], ceiling: float) -> float:
    """Operations of the busiest worker over its ceiling, mean over the rounds."""
    rates = [
        max((_completed(r) / r.elapsed_s for r in piece.reports if r.elapsed_s > 0), default=0.0)
        for piece in slices
    ]
    return sum(rates) / len(rates) / ceiling if rates and ceiling > 0 else 0.0


def _completed(report: WorkerReport) -> int:
    # ``counts`` also has the workload's own events ("hit"); only operations have a histogram.
    return sum(report.counts.get(kind, 0) for kind in report.histograms)


def _summary(
    name: str,
    slices: Sequence[Slice],
    by_round: Sequence[float],
    counted: str,
    worth: float,
    load: Load,
    ceiling: float,
    comparison: Comparison | None,
) -> VariantSummary:
    reports = [report for piece in slices for report in piece.reports]
    response = merge(r.histograms[counted] for r in reports if counted in r.histograms)
    service = merge(r.service[counted] for r in reports if counted in r.service)
    client_wait = merge(r.client_wait for r in reports if r.client_wait)
    steady = not overloaded(load, slices)
    counts, errors = Counter[str](), Counter[str]()
    for report in reports:
        counts.update(report.counts)
        errors.update(report.errors)
    operations, failed = sum(map(_completed, reports)), errors.total()
    judged, stale = sum(r.judged for r in reports), sum(r.stale for r in reports)
    mean, low, high = statistics.mean_interval(by_round)
    samples = response.total
    return VariantSummary(
        name=name,
        throughput=mean,
        throughput_low=low,
        throughput_high=high,
        # A queue that only grows has no steady state: its percentiles depend on when one stops.
        mean_ms=response.mean / 1000 if samples and steady else None,
        p50_ms=gated(response, 50) if steady else None,
        p95_ms=gated(response, 95) if steady else None,
        p99_ms=gated(response, 99) if steady else None,
        max_ms=response.max / 1000 if samples else None,
        operations=operations,
        errors=dict(errors),
        error_share=failed / (operations + failed) if operations + failed else 0.0,
        judged=judged,
        stale=stale,
        stale_share=stale / judged if judged else None,
        stale_max_age_ms=max((r.stale_max_age_ms for r in reports), default=0.0),
        counts=dict(counts),
        cpu_share=generator_share(slices),
        ceiling_share=_ceiling_share(slices, ceiling),
        send_lag_p99_ms=gated(merge(r.send_lag for r in reports), 99) or 0.0,
        offered=load.rate,
        by_round=tuple(by_round),
        histogram=response.encode().decode("ascii"),
        comparison=comparison,
        service_p99_ms=gated(service, 99) if steady else None,
        client_wait_p99_ms=gated(client_wait, 99) if steady else None,
        planned=sum(r.planned for r in reports),
        unsent=sum(r.unsent for r in reports),
        figures=figures.combined(piece.figures for piece in slices),
        figures_by_round=tuple(piece.figures for piece in slices),
        timeline=_timeline(slices, counted, worth, load) if any(s.struck for s in slices) else (),
        struck=_struck(slices),
        stages=tuple(
            _stage(counted, stage.rate, [r.stages[number] for r in reports], len(slices))
            for number, stage in enumerate(load.stages)
        ),
    )


def _stage(counted: str, rate: float, reports: Sequence[StageReport], rounds: int) -> StageSummary:
    response = merge(r.histograms[counted] for r in reports if counted in r.histograms)
    behind = _fell_behind(reports)
    return StageSummary(
        offered=rate,
        achieved=sum(r.completed / r.elapsed_s for r in reports if r.elapsed_s > 0) / rounds,
        p50_ms=None if behind else gated(response, 50),
        p99_ms=None if behind else gated(response, 99),
        max_ms=response.max / 1000 if response.total else None,
        planned=sum(r.planned for r in reports),
        unsent=sum(r.unsent for r in reports),
        overloaded=behind,
    )


def _timeline(slices: Sequence[Slice], counted: str, worth: float, load: Load) -> tuple[float, ...]:
    """What the lab counts per second in each tick, mean over the rounds."""
    by_round = [
        availability.measured(
            [report.timeline.get(counted, ()) for report in piece.reports],
            max(report.begun_s for report in piece.reports),
            load.duration_s,
        )
        for piece in slices
    ]
    return tuple(
        round(worth * sum(tick) / len(by_round) / TICK_S, 1) for tick in zip(*by_round, strict=True)
    )


def _struck(slices: Sequence[Slice]) -> tuple[Struck, ...]:
    """Each fault of the timeline at its mean times over the rounds."""
    found: dict[str, list[Struck]] = {}
    for piece in slices:
        for each in piece.struck:
            found.setdefault(each.text, []).append(each)
    return tuple(
        Struck(
            text,
            round(sum(each.at_s for each in times) / len(times), 3),
            _mean([each.until_s for each in times]),
        )
        for text, times in found.items()
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if len(known) == len(values) else None
