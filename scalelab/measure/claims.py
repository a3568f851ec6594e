"""Judge a lab's claims by a run: confirmed, refuted or inconclusive. Pure.

A claim on ``ratio`` is confirmed when its whole interval lies on the claimed side and refuted when
all of it lies on the other. A claim on correctness (``stale``, ``error_share``, ...) is judged by
the figure itself, because one stale read proves that there are some; none seen leaves a claim that
there are some open. Everything else is about speed. No such claim is judged where CPU budgets are
not enforced (nodes share one machine's cores, and none is a machine of its own) or where many
operations failed (what was measured then is the failure).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scalelab.measure import metrics, statistics
from scalelab.measure.cost import COST
from scalelab.measure.figures import FIGURES
from scalelab.measure.metrics import HIT_SHARE, RATIO, STALENESS
from scalelab.measure.summary import LIMIT_SHARE, used
from scalelab.model import Claim, ClaimResult, Lab, Variant, VariantSummary

CORRECTNESS = (STALENESS | {"error_share", "judged", HIT_SHARE} | set(FIGURES)) - {COST}
MAX_ERRORS = 0.01
"""Share of failed operations above which nothing is said about speed."""
_WARM = frozenset({HIT_SHARE, "origin_rate", "origin_peak"})
_SHORT_ROUNDS, _SHORT_S = 10, 1.0
"""As rounds differ, many short ones settle a ratio sooner than few long ones."""
_FIGURE_ROUNDS = 3
"""A figure is judged as it is, without an interval; a single round might be chance."""


def variants(lab: Lab) -> tuple[Variant, ...]:
    """Those whose runs judge every claim, in the lab's order; all where nothing is claimed."""
    spoken = {claim.variant for claim in lab.claims}
    if _compares(lab):
        spoken.add(lab.variants[0].name)
    return tuple(v for v in lab.variants if v.name in spoken) or lab.variants


def rounds(lab: Lab) -> int:
    """How many it takes to judge every claim: a ratio needs those of an interval."""
    if not _compares(lab):
        return _FIGURE_ROUNDS
    return _SHORT_ROUNDS if _may_be_short(lab) else statistics.MIN_ROUNDS


def slice_s(lab: Lab) -> float | None:
    """Seconds to measure in each; None for those of any run."""
    return _SHORT_S if _may_be_short(lab) else None


def _may_be_short(lab: Lab) -> bool:
    """Whether a ratio is claimed by a lab that leaves it open how long and how often to measure."""
    struck = any(variant.faults for variant in lab.variants)
    return _compares(lab) and not (lab.duration_s or lab.rounds or struck)


def of_warmth(lab: Lab) -> bool:
    """Whether a claim speaks of what a cache holds, so that it must have filled first."""
    return any(claim.metric in _WARM for claim in lab.claims)


def _compares(lab: Lab) -> bool:
    return any(claim.metric == RATIO for claim in lab.claims)


def judge(
    lab: Lab, summaries: Sequence[VariantSummary], *, budgeted: bool, quick: bool
) -> tuple[ClaimResult, ...]:
    """One result a claim that this run can speak of.

    Claims on variants left out of the run are not in it, nor are ratios when the lab's own
    baseline was left out.

    Parameters
    ----------
    summaries : the variants that ran, their baseline first.
    budgeted : whether CPU budgets were enforced.
    """
    by_name = {summary.name: summary for summary in summaries}
    own_baseline = summaries[0].name == lab.variants[0].name
    return tuple(
        _judge(claim, by_name[claim.variant], summaries[0], budgeted=budgeted, quick=quick)
        for claim in lab.claims
        if claim.variant in by_name and (claim.metric != RATIO or own_baseline)
    )


def _judge(
    claim: Claim,
    summary: VariantSummary,
    baseline: VariantSummary,
    *,
    budgeted: bool,
    quick: bool,
) -> ClaimResult:
    figure, bounds, doubts = _figure(claim, summary, baseline)
    if quick:
        doubts.append("a quick run judges nothing")
    if not budgeted and claim.metric not in CORRECTNESS:
        doubts.append("CPU budgets are not enforced here")
    failed = max(summary.error_share, baseline.error_share)
    if failed > MAX_ERRORS and claim.metric not in CORRECTNESS:
        doubts.append(f"{failed:.0%} of operations failed")
    if doubts or bounds is None:
        return ClaimResult(claim.text, "inconclusive", _join([figure, *doubts]))
    return ClaimResult(claim.text, _outcome(claim, *bounds), figure)


def _figure(
    claim: Claim, summary: VariantSummary, baseline: VariantSummary
) -> tuple[str, tuple[float, float] | None, list[str]]:
    """The figure in words, the bounds it is known within, and what speaks against judging it."""
    if claim.metric == RATIO:
        return _ratio(summary, baseline)
    value = metrics.value(summary, claim.metric)
    if value is None:
        return "", None, ["too few samples"]
    figure = f"{claim.metric} {value:.4g}"
    if claim.metric in STALENESS:
        figure = f"{summary.stale:,} of {summary.judged:,} reads stale"
        if summary.judged == 0:
            return "", None, ["no read was judged"]
        if summary.stale == 0 and claim.low is not None and claim.low > 0:
            # One proves that there are some; none in a sample does not prove that there are none.
            return figure, None, ["there may be some all the same"]
    return figure, (value, value), []


def _ratio(
    summary: VariantSummary, baseline: VariantSummary
) -> tuple[str, tuple[float, float] | None, list[str]]:
    found = summary.comparison
    if found is None or found.low is None or found.high is None:
        return "", None, ["too few rounds to compare"]
    figure = f"{found.ratio:.2f}x [{found.low:.2f}, {found.high:.2f}]"
    bounds = statistics.known(
        found.low,
        found.high,
        variant_limited=used(summary) >= LIMIT_SHARE,
        baseline_limited=used(baseline) >= LIMIT_SHARE,
    )
    rounds = len(summary.by_round)
    doubts = [] if rounds >= statistics.MIN_ROUNDS else [f"{rounds} rounds are too few"]
    return figure, bounds, doubts


def _outcome(claim: Claim, low: float, high: float) -> str:
    """Where the interval [low, high] lies against the claimed bounds."""
    above = claim.low is None or low >= claim.low
    below = claim.high is None or high <= claim.high
    if above and below:
        return "confirmed"
    if (claim.low is not None and high < claim.low) or (
        claim.high is not None and low > claim.high
    ):
        return "refuted"
    return "inconclusive"


def _join(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)
