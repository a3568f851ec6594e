"""What a learner predicted, against what a run measured. Pure.

A prediction is right when it lies within the figure's 95% interval or within 20% of the figure:
one who has understood what scaling does here gets the size right, not the second digit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scalelab.errors import UsageError
from scalelab.measure import metrics
from scalelab.measure.metrics import HIT_SHARE, RATIO, STALENESS
from scalelab.model import Prediction, VariantSummary

NEAR = 0.2
"""Share of the figure by which a prediction may differ and still be right."""
RIGHT, TOO_HIGH, TOO_LOW, UNKNOWN = "right", "too high", "too low", "unknown"

_UNITS = {"ratio": "x", "throughput": "/s"}
_SUFFIXES = {"_share": "%", "_ms": "ms"}
_SYNONYMS = {"x": ("times", "×"), "%": ("percent",), "/s": ("per second",)}
_NUMBER = re.compile(r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,12}(?:[.,]\d{1,12})?|\.\d{1,12})\s*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_MULTIPLES = {"k": 1e3, "m": 1e6}


@dataclass(frozen=True)
class Compared:
    """A prediction against the run, in the unit it was asked in.

    Parameters
    ----------
    answer : the learner's.
    figure : what was measured, None where the run has no such figure.
    low, high : its 95% interval, None where it has none.
    outcome : right, too high, too low or unknown.
    why, do : of an unknown one: why the run could not tell, and what would.
    """

    prediction: Prediction
    answer: float
    figure: float | None
    low: float | None
    high: float | None
    outcome: str
    why: str = ""
    do: str = ""


def unit(prediction: Prediction) -> str:
    """The unit its answer is given in: its own, or the metric's."""
    if prediction.unit:
        return prediction.unit
    for suffix, known in _SUFFIXES.items():
        if prediction.metric.endswith(suffix):
            return known
    return _UNITS.get(prediction.metric, "")


def read(text: str, unit: str) -> float:
    """The number in an answer: "2.5", "2,5", "1,000", "13k", "2x", "5%", "12 ms".

    Raises
    ------
    UsageError : it is no number of this unit.
    """
    answer = text.strip().lower()
    example = f"a number such as 2.5{' ' * unit.isalpha()}{unit}"
    found = _NUMBER.match(answer)
    if not found:
        raise UsageError(f"{text.strip()!r} is no number", example)
    number, rest = found[1], answer[found.end() :].strip()
    comma = "" if _THOUSANDS.fullmatch(number) else "."
    value = float(number.replace(",", comma))
    allowed = {"", unit.lower(), *_SYNONYMS.get(unit, ())}
    if rest not in allowed and rest[:1] in _MULTIPLES:
        value, rest = value * _MULTIPLES[rest[0]], rest[1:].strip()
    if rest not in allowed:
        raise UsageError(f"{rest!r} is not the unit", example)
    return value


def compare(
    prediction: Prediction, answer: float, summaries: Sequence[VariantSummary], duration_s: float
) -> Compared:
    """A prediction against what was measured; unknown, and why, where the run cannot tell.

    Parameters
    ----------
    answer : in the prediction's unit.
    summaries : the variants that ran.
    duration_s : how long each slice was measured.
    """
    found = next((each for each in summaries if each.name == prediction.variant), None)
    measured = (None, None, None) if found is None else _figure(prediction.metric, found)
    # A share is measured from 0 to 1 and predicted in percent.
    scale = 100.0 if prediction.metric.endswith("_share") else 1.0
    figure, low, high = (None if value is None else scale * value for value in measured)
    if figure is not None:
        return Compared(prediction, answer, figure, low, high, _outcome(answer, figure, low, high))
    if found is None:
        why, do = f"{prediction.variant} did not run", "run all variants"
    else:
        why, do = (
            _missing(prediction.metric),
            f"measure longer: --duration {max(10, 2 * duration_s):g}",
        )
    return Compared(prediction, answer, None, None, None, UNKNOWN, why, do)


def _figure(
    metric: str, summary: VariantSummary
) -> tuple[float | None, float | None, float | None]:
    if metric == RATIO:
        against = summary.comparison
        return (against.ratio, against.low, against.high) if against else (None, None, None)
    if metric in STALENESS and summary.judged == 0:
        return None, None, None
    if metric == "throughput":
        return summary.throughput, summary.throughput_low, summary.throughput_high
    return metrics.value(summary, metric), None, None


def _missing(metric: str) -> str:
    """Why a variant that ran has no such figure."""
    if metric == RATIO:
        return "the baseline completed nothing to compare with"
    if metric in STALENESS:
        return "no read was judged"
    if metric == HIT_SHARE:
        return "nothing was looked up in a cache"
    if metric.endswith("_ms"):
        return "too few operations completed"
    return "too little happened to measure it"


def _outcome(answer: float, figure: float, low: float | None, high: float | None) -> str:
    near = NEAR * abs(figure)
    if answer > max(figure + near, figure if high is None else high):
        return TOO_HIGH
    if answer < min(figure - near, figure if low is None else low):
        return TOO_LOW
    return RIGHT
