"""What a run's timeline did to its variants: in a sentence, and as a line of bars. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from scalelab.model import TICK_S, RunResult, Struck, VariantSummary
from scalelab.report import words

_BARS = " ▁▂▃▄▅▆▇█"


def struck(result: RunResult) -> list[VariantSummary]:
    """The variants that something struck."""
    return [summary for summary in result.summaries if summary.struck]


def lines(result: RunResult) -> Iterator[Text]:
    """For each variant that was struck what happened, and its throughput over the slice."""
    for summary in struck(result):
        yield Text(sentence(summary, result))
        highest = max(summary.timeline, default=0.0)
        if highest > 0:
            # A tick in which nothing completed is a gap, and nothing else is.
            bars = "".join(_bar(value, highest) for value in summary.timeline)
            noun, span = words.plural(result.counted), words.seconds(len(bars) * TICK_S)
            scale = f"  {noun}/s in each tenth of {span}, up to {words.thousands(highest)}"
            yield Text.assemble(f"  |{bars}|", (scale, "dim"))


def sentence(summary: VariantSummary, result: RunResult) -> str:
    """What struck a variant and what came of it, times as means over the rounds."""
    said = f"{summary.name}: {', '.join(map(_when, summary.struck))}"
    down, recovered = (summary.figures.get(name) for name in ("unavailable_s", "recovery_s"))
    if down is None or recovered is None:
        return f"{said}; operations were too few to tell an outage from chance."
    noun = result.counted
    if down == 0:
        return f"{said}; there was a {noun} in every tenth of a second."
    return (
        f"{said}; no {noun} for {words.digits(down, 2)} s in all, served for good "
        f"{words.digits(recovered, 2)} s after the first."
    )


def _when(each: Struck) -> str:
    what, _, _ = each.text.partition("@")
    until = "" if each.until_s is None else f" to {words.digits(each.until_s, 2)}"
    return f"{what.strip()} at {words.digits(each.at_s, 2)}{until} s"


def _bar(value: float, highest: float) -> str:
    if value <= 0:
        return _BARS[0]
    steps: Sequence[str] = _BARS[1:]
    return steps[min(len(steps) - 1, int(value / highest * len(steps)))]
