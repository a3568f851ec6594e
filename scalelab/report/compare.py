"""Two stored runs of one lab, variant by variant. Pure.

A ratio here has an interval but no verdict: two runs are one observation each of whatever differs
between runs besides the change one is after (see ``statistics.unpaired``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scalelab.errors import UsageError
from scalelab.measure.statistics import unpaired
from scalelab.measure.summary import LIMIT_SHARE, used
from scalelab.model import RunResult, VariantSummary
from scalelab.report import words

SCHEMA, VERSION = "scalelab.comparison", 1
METHOD = (
    "95% intervals by Welch's t on log throughput: rounds of different runs are not paired. They "
    "know how rounds vary within a run, not what else differs between two runs, so there is no "
    "verdict; to settle a difference, make both variants of one lab."
)

# Facts of the host that differ from run to run on one and the same machine.
_PASSING = frozenset({"load_average_1min", "steal_share"})


@dataclass(frozen=True)
class Change:
    """One variant in two runs; without bounds where rounds or answers are too few."""

    variant: str
    throughput_per_s: float
    baseline_throughput_per_s: float
    ratio: float
    ratio_low: float | None
    ratio_high: float | None
    p99_ms: float | None
    baseline_p99_ms: float | None
    stale_share: float | None
    baseline_stale_share: float | None


@dataclass(frozen=True)
class Changes:
    """A run against an earlier one, and what to doubt about it."""

    lab: str
    counted: str
    started_unix_s: float
    baseline_started_unix_s: float
    variants: tuple[Change, ...]
    warnings: tuple[str, ...]


def compare(result: RunResult, baseline: RunResult) -> Changes:
    """Every variant that both runs have.

    Raises
    ------
    UsageError : they are not of one lab, do not count the same, or share no variant.
    """
    for what, mine, other in (
        ("of lab", result.lab, baseline.lab),
        ("a count of", words.plural(result.counted), words.plural(baseline.counted)),
    ):
        if mine != other:
            raise UsageError(
                f"the runs do not compare: one is {what} {mine!r}, the other {what} {other!r}",
                "name two runs of the same lab; see: scalelab report --list",
            )
    before = {summary.name: summary for summary in baseline.summaries}
    shared = [(s, before[s.name]) for s in result.summaries if s.name in before]
    if not shared:
        raise UsageError(
            "the runs do not compare: they share no variant",
            f"one has {_names(result)}, the other {_names(baseline)}",
        )
    return Changes(
        result.lab,
        result.counted,
        result.started,
        baseline.started,
        tuple(_change(*pair) for pair in shared),
        (*_unlike(result, baseline), *_limited(shared), *_only(result, baseline)),
    )


def render(changes: Changes) -> RenderableType:
    """What ``scalelab report RUN BASELINE`` prints."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("variant", overflow="fold")
    rate = f"{words.plural(changes.counted)}/s"
    for header in (f"{rate} then", "now", "ratio [95%]", "p99 ms then", "now"):
        table.add_column(Text(header), justify="right")
    judged = any(row.stale_share is not None for row in changes.variants)
    for header in ("stale then", "now") if judged else ():
        table.add_column(header, justify="right")
    for row in changes.variants:
        cells = [
            row.variant,
            words.thousands(row.baseline_throughput_per_s),
            words.thousands(row.throughput_per_s),
            ratio(row),
            words.ms(row.baseline_p99_ms),
            words.ms(row.p99_ms),
        ]
        if judged:
            cells += [words.share(row.baseline_stale_share), words.share(row.stale_share)]
        table.add_row(*map(Text, cells))
    title = Text(f"{changes.lab} · {words.utc(changes.started_unix_s)} against ")
    title.append(words.utc(changes.baseline_started_unix_s))
    title.stylize("bold", 0, len(changes.lab))
    notes = [
        Text.assemble(("warning", "yellow bold"), f"  {warning}") for warning in changes.warnings
    ]
    return Group(title, Text(), table, Text(), Text(METHOD, "dim"), *notes)


def dump(changes: Changes) -> str:
    """The comparison as a versioned JSON document."""
    document = {"schema": SCHEMA, "version": VERSION, **asdict(changes)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def table_csv(changes: Changes) -> str:
    """The comparison as CSV: one row a variant."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Change.__dataclass_fields__))
    writer.writeheader()
    writer.writerows(asdict(row) for row in changes.variants)
    return text.getvalue()


def ratio(row: Change) -> str:
    """A ratio and its interval, for people."""
    bounds = words.interval(row.ratio_low, row.ratio_high, words.ratio)
    return f"{words.ratio(row.ratio)}x {bounds}".rstrip() if row.ratio else "–"


def _change(now: VariantSummary, then: VariantSummary) -> Change:
    return Change(
        now.name,
        now.throughput,
        then.throughput,
        *unpaired(now.by_round, then.by_round),
        now.p99_ms,
        then.p99_ms,
        now.stale_share,
        then.stale_share,
    )


def _unlike(result: RunResult, baseline: RunResult) -> Iterator[str]:
    """What was not the same in both runs, besides what one may have changed on purpose."""
    if result.runtime != baseline.runtime:
        yield f"the runtimes differ: {result.runtime}, was {baseline.runtime}"
    means = [words.budget(r.budget, enforced=r.budgeted) for r in (result, baseline)]
    if means[0] != means[1] or result.budget != baseline.budget:
        yield f"the budgets differ: {means[0]}, was {means[1]}"
    loads = [asdict(r.load) | _staged(r) | {"quick": r.quick} for r in (result, baseline)]
    for what, now, then in (
        ("loads", loads[0], loads[1]),
        ("versions", result.versions, baseline.versions),
        ("hosts", _lasting(result), _lasting(baseline)),
    ):
        keys = [key for key in {**then, **now} if now.get(key) != then.get(key)]
        if keys:
            listed = ", ".join(
                f"{key} {now.get(key, 'none')}, was {then.get(key, 'none')}" for key in keys
            )
            yield f"the {what} differ: {listed}"


def _staged(result: RunResult) -> dict[str, str]:
    return {"stages": " and ".join(map(words.stage, result.load.stages)) or "none"}


def _lasting(result: RunResult) -> dict[str, str | int | float]:
    return {key: value for key, value in result.host.items() if key not in _PASSING}


def _limited(pairs: list[tuple[VariantSummary, VariantSummary]]) -> Iterator[str]:
    for now, then in pairs:
        runs = [name for s, name in ((now, "this"), (then, "the other")) if _is_limited(s)]
        if runs:
            yield (
                f"{now.name}: the load generator was the limit in {' and '.join(runs)} run, so the "
                "ratio says little of the servers"
            )


def _is_limited(summary: VariantSummary) -> bool:
    return used(summary) >= LIMIT_SHARE


def _only(result: RunResult, baseline: RunResult) -> Iterator[str]:
    for mine, other, which in ((result, baseline, "this"), (baseline, result, "the other")):
        known = {summary.name for summary in other.summaries}
        alone = [summary.name for summary in mine.summaries if summary.name not in known]
        if alone:
            yield f"only in {which} run: {', '.join(alone)}"


def _names(result: RunResult) -> str:
    return ", ".join(summary.name for summary in result.summaries)
