"""Limits a run must keep, for scripts and CI: ``p99_ms>50`` fails when a variant is slower. Pure.

``metric(variant) comparison number``. Without ``(variant)`` the limit holds for every variant, and
one that breaks it is enough to fail (a ratio: for every variant but the baseline). A limit is
judged by the figure itself, the one the table shows, not by its interval: whoever sets a limit in
a script wants the same answer for the same figure. Where the run has no such figure the limit is
neither kept nor broken, and that is said instead of passed over.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scalelab.errors import UnknownName, UsageError
from scalelab.measure.figures import FIGURES
from scalelab.model import VariantSummary

RATIO = "ratio"
FEW_SAMPLES = "too few samples, or a backlog that only grew"
NONE_JUDGED = "no read was judged"

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

_Figure = Callable[[VariantSummary], float | None]


def _of_judged(figure: _Figure) -> _Figure:
    """None stale of none judged is no finding."""
    return lambda summary: figure(summary) if summary.judged else None


def _checked(name: str) -> _Figure:
    return lambda summary: summary.figures.get(name)


_FIGURES: Mapping[str, tuple[_Figure, str]] = {
    # What to read, and why it may be missing.
    RATIO: (lambda s: s.comparison.ratio if s.comparison else None, "nothing to compare it with"),
    "throughput_per_s": (lambda s: s.throughput, ""),
    "mean_ms": (lambda s: s.mean_ms, FEW_SAMPLES),
    "p50_ms": (lambda s: s.p50_ms, FEW_SAMPLES),
    "p95_ms": (lambda s: s.p95_ms, FEW_SAMPLES),
    "p99_ms": (lambda s: s.p99_ms, FEW_SAMPLES),
    "max_ms": (lambda s: s.max_ms, FEW_SAMPLES),
    "operations": (lambda s: s.operations, ""),
    "errors": (lambda s: sum(s.errors.values()), ""),
    "error_share": (lambda s: s.error_share, ""),
    "judged_reads": (lambda s: s.judged, ""),
    "stale_reads": (_of_judged(lambda s: s.stale), NONE_JUDGED),
    "stale_share": (_of_judged(lambda s: s.stale_share), NONE_JUDGED),
    "stale_max_age_ms": (_of_judged(lambda s: s.stale_max_age_ms), NONE_JUDGED),
    "generator_cpu_share": (lambda s: s.cpu_share, ""),
    "generator_ceiling_share": (lambda s: s.ceiling_share, ""),
    "send_lag_p99_ms": (lambda s: s.send_lag_p99_ms, ""),
    "service_p99_ms": (lambda s: s.service_p99_ms, FEW_SAMPLES),
    "client_wait_p99_ms": (lambda s: s.client_wait_p99_ms, f"a closed loop, {FEW_SAMPLES}"),
    "unsent": (lambda s: s.unsent, ""),
    **{name: (_checked(name), "nothing checked it") for name in FIGURES},
}
METRICS = frozenset(_FIGURES)
"""What a limit may speak of; every name says its unit."""

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_VARIANT = re.compile(r"\(([^()<>=!]*)\)")
_COMPARISON = re.compile("|".join(COMPARISONS))
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_SPACE = re.compile(r"\s*")
_SHAPES = "such as: p99_ms>50, or of one variant: ratio(NAME)<1.5"


@dataclass(frozen=True)
class Threshold:
    """One limit.

    Parameters
    ----------
    text : as it was typed.
    variant : whose figure; None for every variant's.
    comparison : of figure and bound; where it holds, the run fails.
    """

    text: str
    metric: str
    variant: str | None
    comparison: str
    bound: float


@dataclass(frozen=True)
class Judgement:
    """What a run says of its limits.

    Parameters
    ----------
    broken : a sentence for each figure beyond a limit.
    unknown : a sentence for each figure a limit speaks of and the run does not have.
    """

    broken: tuple[str, ...]
    unknown: tuple[str, ...]


def parse(text: str, variants: Iterable[str]) -> Threshold:
    """The limit in an expression.

    Parameters
    ----------
    variants : the names of those that will run.

    Raises
    ------
    UsageError : it is none; the details show it with the place that is wrong.
    """
    text = text.strip()
    metric, at = _metric(text)
    variant, at = _variant(text, at, list(variants))
    comparison, at = _comparison(text, at)
    bound, at = _bound(text, at)
    at = _skip(text, at)
    if at < len(text):
        raise _wrong(text, at, len(text), "nothing may follow the number", _after(text[at:]))
    return Threshold(text, metric, variant, comparison, bound)


def judge(thresholds: Iterable[Threshold], summaries: Sequence[VariantSummary]) -> Judgement:
    """What a run says of these limits.

    Parameters
    ----------
    summaries : the variants that ran, the baseline first.
    """
    broken: list[str] = []
    unknown: list[str] = []
    for threshold in thresholds:
        compared = COMPARISONS[threshold.comparison]
        read, missing = _FIGURES[threshold.metric]
        for summary in _meant(threshold, summaries):
            value = read(summary)
            if value is None:
                baseline = threshold.metric == RATIO and summary is summaries[0]
                why = "it is the baseline itself" if baseline else missing
                unknown.append(
                    f"{threshold.text}: {summary.name} has no {threshold.metric} ({why})"
                )
            elif compared(value, threshold.bound):
                figure = _words(threshold, value)
                broken.append(f"{threshold.text}: {summary.name} has {threshold.metric} {figure}")
    return Judgement(tuple(broken), tuple(unknown))


def _meant(threshold: Threshold, summaries: Sequence[VariantSummary]) -> Sequence[VariantSummary]:
    if threshold.variant is not None:
        return [summary for summary in summaries if summary.name == threshold.variant]
    if threshold.metric == RATIO and len(summaries) > 1:
        return summaries[1:]
    return summaries


def _words(threshold: Threshold, value: float) -> str:
    """A figure for people, never rounded onto a bound it differs from."""
    if isinstance(value, int):
        return f"{value:,}"
    short = f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if float(short.replace(",", "")) == threshold.bound != value:
        return repr(value)
    return short


def _metric(text: str) -> tuple[str, int]:
    found = _WORD.match(text)
    if not found:
        raise _wrong(text, 0, 1, "a limit begins with the name of a metric", _SHAPES)
    if found[0] not in METRICS:
        raise _pointed(UnknownName("metric", found[0], METRICS), text, *found.span())
    return found[0], found.end()


def _variant(text: str, at: int, variants: Sequence[str]) -> tuple[str | None, int]:
    at = _skip(text, at)
    if text[at : at + 1] != "(":
        return None, at
    found = _VARIANT.match(text, at)
    if not found:
        raise _wrong(text, at, at + 1, "this parenthesis is not closed", _SHAPES)
    name = found[1].strip()
    if not name:
        listed = f"variants: {', '.join(variants)}"
        raise _wrong(text, *found.span(), "the parentheses name no variant", listed)
    if name not in variants:
        begin = text.index(name, at)
        raise _pointed(UnknownName("variant", name, variants), text, begin, begin + len(name))
    return name, found.end()


def _comparison(text: str, at: int) -> tuple[str, int]:
    at = _skip(text, at)
    found = _COMPARISON.match(text, at)
    if found:
        return found[0], found.end()
    known = f"comparisons: {' '.join(COMPARISONS)}"
    if text[at : at + 1] == "=":
        raise _wrong(text, at, at + 1, "'=' is no comparison", f"did you mean '=='? {known}")
    raise _wrong(text, at, at + 1, "a comparison is missing here", known)


def _bound(text: str, at: int) -> tuple[float, int]:
    at = _skip(text, at)
    found = _NUMBER.match(text, at)
    if not found:
        raise _wrong(text, at, at + 1, "a number is missing here", _SHAPES)
    bound = float(found[0])
    if abs(bound) == float("inf"):
        raise _wrong(text, *found.span(), "the number is too large", _SHAPES)
    return bound, found.end()


def _after(rest: str) -> str:
    """What to do about text behind the number."""
    if re.match(r"and\b|or\b|[,;&|]", rest):
        return "give each limit an option of its own: --fail-if A --fail-if B"
    if rest.startswith("%"):
        return "a share is a fraction: 1% is 0.01"
    return "the unit is in the metric's name: p99_ms is in ms"


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _wrong(text: str, begin: int, end: int, message: str, hint: str) -> UsageError:
    return _pointed(UsageError(f"--fail-if: {message}", hint), text, begin, end)


def _pointed(error: UsageError, text: str, begin: int, end: int) -> UsageError:
    """The error with the expression in its details, and a caret under every wrong character."""
    # One character for one, so that the carets stay under what they mean.
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    error.details = (shown, " " * begin + "^" * max(1, min(end, len(text)) - begin))
    return error
