"""What an open loop adds to the result table: its p99 taken apart, and its stages. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scalelab.model import RunResult
from scalelab.report import words


@dataclass(frozen=True)
class Sheet:
    """A small table of words: each row begins with what it is about.

    Parameters
    ----------
    labels : how many columns at the left say what a row is about.
    """

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1


def sheets(result: RunResult) -> Iterator[Sheet]:
    """None for a closed loop."""
    if result.load.rate is not None:
        yield _taken_apart(result)
    if result.load.stages:
        yield _stages(result)


def _taken_apart(result: RunResult) -> Sheet:
    return Sheet(
        "Response time is counted from the planned start, service time from the moment of sending; "
        "between them a request waits for a free client, and for a generator that is late",
        ("p99 ms", "response", "service", "client wait", "send lag"),
        tuple(
            (
                summary.name,
                words.ms(summary.p99_ms),
                words.ms(summary.service_p99_ms),
                words.ms(summary.client_wait_p99_ms),
                words.ms(summary.send_lag_p99_ms),
            )
            for summary in result.summaries
        ),
    )


def _stages(result: RunResult) -> Sheet:
    rows = [
        (
            f"{number + 1}: {words.stage(stage)}",
            summary.name,
            words.thousands(seen.achieved),
            words.ms(seen.p50_ms),
            words.ms(seen.p99_ms),
            words.ms(seen.max_ms),
            "overloaded" if seen.overloaded else "yes",
        )
        for number, stage in enumerate(result.load.stages)
        for summary in result.summaries
        for seen in (summary.stages[number],)
    ]
    return Sheet(
        "Operations of every kind planned and achieved in each stage, and response times in ms of "
        f"the {words.plural(result.counted)} planned in it; – is withheld",
        ("stage", "variant", "achieved/s", "p50", "p99", "max ms", "kept up"),
        tuple(rows),
        labels=2,
    )
