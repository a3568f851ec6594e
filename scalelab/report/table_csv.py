"""A run as CSV: one row a variant, and in it one column a round. Pure.

Named so as not to hide the standard ``csv``. Empty cells are figures withheld or not there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from scalelab.measure.figures import FIGURES
from scalelab.model import RunResult, VariantSummary

_COLUMNS = (
    "lab",
    "variant",
    "counted",
    "runtime",
    "throughput_per_s",
    "throughput_low_per_s",
    "throughput_high_per_s",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "operations",
    "errors",
    "error_share",
    "judged",
    "stale",
    "stale_share",
    "stale_max_age_ms",
    "hits",
    "misses",
    "generator_cpu_share",
    "generator_ceiling_share",
    "send_lag_p99_ms",
    "offered_per_s",
    "service_p99_ms",
    "client_wait_p99_ms",
    "planned",
    "unsent",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "verdict",
    *FIGURES,
)


def render(result: RunResult) -> str:
    """The table with its header; lines end as RFC 4180 wants (CR LF)."""
    return written([header(result), *rows(result)])


def header(result: RunResult) -> list[str]:
    """The names of the columns."""
    return [*_COLUMNS, *(f"round_{number + 1}_per_s" for number in range(result.rounds))]


def rows(result: RunResult) -> Iterator[list[str | int | float | None]]:
    """A row a variant."""
    for summary in result.summaries:
        row = _row(result, summary)
        yield [*(row[column] for column in _COLUMNS), *summary.by_round]


def written(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(result: RunResult, summary: VariantSummary) -> dict[str, str | int | float | None]:
    against = summary.comparison
    return {
        "lab": result.lab,
        "variant": summary.name,
        "counted": result.counted,
        "runtime": result.runtime,
        "throughput_per_s": summary.throughput,
        "throughput_low_per_s": summary.throughput_low,
        "throughput_high_per_s": summary.throughput_high,
        "mean_ms": summary.mean_ms,
        "p50_ms": summary.p50_ms,
        "p95_ms": summary.p95_ms,
        "p99_ms": summary.p99_ms,
        "max_ms": summary.max_ms,
        "operations": summary.operations,
        "errors": sum(summary.errors.values()),
        "error_share": summary.error_share,
        "judged": summary.judged,
        "stale": summary.stale,
        "stale_share": summary.stale_share,
        "stale_max_age_ms": summary.stale_max_age_ms,
        "hits": summary.counts.get("hit"),
        "misses": summary.counts.get("miss"),
        "generator_cpu_share": summary.cpu_share,
        "generator_ceiling_share": summary.ceiling_share,
        "send_lag_p99_ms": summary.send_lag_p99_ms,
        "offered_per_s": summary.offered,
        "service_p99_ms": summary.service_p99_ms,
        "client_wait_p99_ms": summary.client_wait_p99_ms,
        "planned": summary.planned,
        "unsent": summary.unsent,
        "ratio": against.ratio if against else None,
        "ratio_low": against.low if against else None,
        "ratio_high": against.high if against else None,
        "p_value": against.p_value if against else None,
        "verdict": against.verdict if against else None,
        **{name: summary.figures.get(name) for name in FIGURES},
    }
