"""The figures of a run that a lab may speak of, in a claim or a prediction. Pure, and light."""

from __future__ import annotations

import dataclasses

from scalelab.errors import UnknownName, UsageError
from scalelab.measure.figures import FIGURES
from scalelab.model import Claim, Lab, Prediction, VariantSummary

RATIO = "ratio"
HIT_SHARE = "hit_share"
STALENESS = frozenset({"stale", "stale_share", "stale_max_age_ms"})
METRICS = frozenset(
    {RATIO, HIT_SHARE}
    | {
        field.name
        for field in dataclasses.fields(VariantSummary)
        if field.type in ("float", "int", "float | None")
    }
    | set(FIGURES)
)
"""The ratio, and every figure of a variant's summary."""


def value(summary: VariantSummary, metric: str) -> float | None:
    """A figure of the summary (not the ratio); None where this run does not have it."""
    if metric in FIGURES:
        return summary.figures.get(metric)
    found: float | None = getattr(summary, metric)
    return found


def check(lab: Lab) -> None:
    """Raise UsageError for a claim or prediction of no variant or no metric there is."""
    for said in statements(lab):
        check_one(lab, said)


def statements(lab: Lab) -> tuple[Claim | Prediction, ...]:
    """Everything the lab says of figures."""
    return (*lab.claims, *lab.predictions)


def check_one(lab: Lab, said: Claim | Prediction) -> None:
    """Raise UsageError where this claim or prediction speaks of what is not there."""
    names = [variant.name for variant in lab.variants]
    if said.variant not in names:
        raise UnknownName("variant", said.variant, names)
    if said.metric not in METRICS:
        raise UnknownName("metric", said.metric, METRICS)
    if said.metric == RATIO and said.variant == names[0]:
        raise UsageError(
            f"this is a ratio of {names[0]!r}, which is its own baseline",
            "say it of another variant",
        )
