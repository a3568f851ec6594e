"""The lines above and below the result table: what ran, what came out, what to doubt. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scalelab.measure import doubts
from scalelab.measure.statistics import MIN_ROUNDS
from scalelab.measure.summary import used
from scalelab.model import RunResult, VariantSummary
from scalelab.report import words

MARKS = {"confirmed": ("✓", "green"), "refuted": ("✗", "red")}
UNKNOWN = ("?", "yellow")


def header(result: RunResult, width: int) -> Text:
    """What was run, where and how, in one line (or more where the terminal is narrow).

    Parameters
    ----------
    width : of the terminal, in columns.
    """
    rounds = "1 round" if result.rounds == 1 else f"{result.rounds} rounds"
    parts = [
        result.runtime,
        words.budget(result.budget, enforced=result.budgeted),
        words.loop(result.load),
        f"{rounds} of {words.seconds(result.load.duration_s)}, interleaved",
        f"seed {result.load.seed}",
        *machine(result),
    ]
    if result.quick:
        parts.append("quick look, no verdicts")
    return title(result.lab, parts, width)


def machine(result: RunResult) -> Iterator[str]:
    """How busy the machine was with other things, as far as it can tell."""
    cpus, busy = result.host.get("cpus"), result.host.get("load_average_1min")
    if isinstance(busy, int | float):
        cores = f" on {cpus} core{'s' * (cpus != 1)}" if isinstance(cpus, int) else ""
        yield f"load average {busy:g}{cores} before"
    steal = result.host.get("steal_share")
    if isinstance(steal, int | float):
        yield f"steal {words.share(steal)}"


def title(name: str, parts: Iterable[str], width: int) -> Text:
    """A name and what is to be said of it, broken between the parts and never inside one."""
    lines = [name]
    for part in parts:
        if len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    text = Text("\n".join(lines))
    text.stylize("bold", 0, len(name))
    return text


def found(result: RunResult) -> Iterator[Text]:
    """What came out, each variant against the baseline, and the correctness beside the speed."""
    if result.aa:
        yield from _noise_floor(result)
        return
    baseline, *others = result.summaries
    if not others and (stale := _staleness(baseline)):
        yield Text(f"{baseline.name}: {stale}.")
    for summary in others:
        parts = [part for part in (_speed(summary, baseline, result), _staleness(summary)) if part]
        if parts:
            yield Text(f"{summary.name}: {'; '.join(parts)}.")
    if fastest := _fastest(result):
        figure = words.thousands(fastest.throughput)
        yield Text(f"fastest: {fastest.name}, {figure} {words.plural(result.counted)}/s.")


def method(result: RunResult) -> Iterator[Text]:
    """Whether the generator was the limit, and what was cut."""
    busiest = max(result.summaries, key=used)
    lag = max(summary.send_lag_p99_ms for summary in result.summaries)
    fair = not any(doubts.generator(summary) for summary in result.summaries)
    said = "not the limit" if fair else "see the warning"
    yield Text(
        f"generator: {busiest.cpu_share:.0%} of one core, {words.share(busiest.ceiling_share)} of "
        f"its no-op ceiling of {words.thousands(result.noop_ceiling)}/s, send lag p99 "
        f"{words.ms(lag)} ms: {said}.",
        style="dim",
    )
    for rehearsal in result.rehearsals:
        for number, share in enumerate(rehearsal.added_at):
            again = "another" if number else "one more"
            yield Text(
                f"workers: {again} was added while {rehearsal.variant} was rehearsed, because the "
                f"busiest was {share:.0%} busy; all rounds had {result.load.workers}.",
                style="dim",
            )
    yield Text(f"warm-up: {_cut(result)}.", style="dim")
    if prices := result.host.get("prices"):
        noun = words.plural(result.counted)
        yield Text(f"cost/1k: of the machines that serve 1,000 {noun}/s, {prices}.", style="dim")


def claims(result: RunResult) -> RenderableType:
    """One line a claim, with its figure."""
    grid = _grid()
    for index, claim in enumerate(result.claims):
        mark, style = MARKS.get(claim.outcome, UNKNOWN)
        figure = f" ({claim.figure})" if claim.figure else ""
        # The word too: a mark alone is lost on a screen reader, its colour on NO_COLOR.
        said = Text.assemble((mark, style), f" {claim.text}: {claim.outcome}", (figure, "dim"))
        grid.add_row("" if index else "claims", said)
    return grid


def warned(warnings: Iterable[str]) -> RenderableType:
    """One line a warning; what wraps stays under its text."""
    grid = _grid()
    for warning in warnings:
        grid.add_row(Text("warning", "yellow bold"), Text(warning))
    return grid


def _cut(result: RunResult) -> str:
    """What does not count, and why it was that long."""
    driven = [
        f"{words.seconds(r.driven_s)} ({r.variant}{', not steady' * (r.settled is False)})"
        for r in result.rehearsals
    ]
    parts = []
    if driven:
        parts.append(f"rehearsals of {words.listed(driven)}")
        if any(rehearsal.settled is not None for rehearsal in result.rehearsals):
            parts[0] += " until steady by MSER-5"
    if result.load.warmup_s > 0:
        parts.append(f"the first {words.seconds(result.load.warmup_s)} of every slice")
    return f"{words.listed(parts)} are cut" if parts else "nothing is cut"


def _noise_floor(result: RunResult) -> Iterator[Text]:
    """What a variant against itself says of this machine and load."""
    counted, compared = result.summaries[0], result.summaries[1].comparison
    if compared is None or compared.low is None or compared.high is None:
        yield Text(f"noise floor of {counted.name}: unknown, it takes two rounds with answers.")
        return
    ratio, bounds = (
        words.ratio(compared.ratio),
        words.interval(compared.low, compared.high, words.ratio),
    )
    rounds = "1 round" if result.rounds == 1 else f"{result.rounds} rounds"
    here = f"here, in {rounds} of {words.seconds(result.load.duration_s)}"
    floor = max(compared.high, 1 / compared.low) - 1
    if compared.verdict in ("faster", "slower"):
        yield Text(
            f"noise floor: {ratio}x {bounds}: {here}, {counted.name} differs from itself, so that "
            "no small difference can be trusted."
        )
        return
    yield Text(
        f"noise floor: {ratio}x {bounds}: {here}, a difference below {words.share(floor)} cannot "
        "be told from noise."
    )


def _grid() -> Table:
    """A label, and text that wraps beside it and never under it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _fastest(result: RunResult) -> VariantSummary | None:
    """The variant whose interval lies above all others': nothing less is called fastest."""
    if len(result.summaries) < 3 or result.quick or result.rounds < MIN_ROUNDS:
        return None
    best = max(result.summaries[1:], key=lambda summary: summary.throughput).comparison
    rest = [s.comparison for s in result.summaries[1:] if s.comparison is not best]
    if best is None or best.verdict != "faster" or best.low is None:
        return None
    if any(other and (other.high or math.inf) >= best.low for other in rest):
        return None
    return next(summary for summary in result.summaries if summary.comparison is best)


def _speed(summary: VariantSummary, baseline: VariantSummary, result: RunResult) -> str:
    against = summary.comparison
    if against is None:
        return ""
    counted = f"the {words.plural(result.counted)} of {baseline.name}"
    if against.verdict == "same":
        return f"as many {words.plural(result.counted)} as {baseline.name}, within 5%"
    if against.verdict == "inconclusive":
        return (
            f"{words.ratio(against.ratio)}x {counted}, but it may be noise; more rounds would tell"
        )
    return f"{words.ratio(against.ratio)}x {counted}"


def _staleness(summary: VariantSummary) -> str:
    if summary.judged == 0:
        return ""
    if summary.stale == 0:
        return f"none of {summary.judged:,} judged reads was stale"
    age = words.ms(summary.stale_max_age_ms)
    return (
        f"{words.share(summary.stale_share)} of {summary.judged:,} judged reads were stale, "
        f"by {age} ms at most"
    )
