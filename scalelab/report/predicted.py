"""What was predicted beside what was measured, for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from scalelab.measure.predictions import RIGHT, UNKNOWN, Compared, unit
from scalelab.report import sentences, words


def render(compared: Sequence[Compared]) -> RenderableType:
    """One line for each prediction: what was said, what came out, and by how much it was off."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for index, each in enumerate(compared):
        mark, style = _MARKS.get(each.outcome, ("✗", "yellow"))
        said = Text.assemble((mark, style), f" {each.prediction.text} ", (_result(each), "bold"))
        grid.add_row("" if index else "predicted", said)
    return grid


def sentence(each: Compared) -> str:
    """What was said and what came out, in one line."""
    return f"{each.prediction.text} {_result(each)}"


def figure(value: float, unit: str) -> str:
    """A figure in the unit of a prediction: 2.43x, 0.2%, 12 ms, 13.6k/s."""
    number = words.thousands(value) if value >= 1000 else words.digits(value, 3)
    number = number.rstrip("0").rstrip(".") if "." in number and number[-1].isdigit() else number
    return f"{number}{unit}" if unit in ("", "x", "%", "/s") else f"{number} {unit}"


def _result(each: Compared) -> str:
    asked = unit(each.prediction)
    said = f"you said {figure(each.answer, asked)}"
    if each.figure is None:
        return f"{said}; this run could not tell: {each.why} ({each.do})"
    bounds = words.interval(each.low, each.high, lambda value: figure(value, ""))
    measured = f"measured {figure(each.figure, asked)} {bounds}".rstrip()
    return f"{said}, {measured}: {each.outcome}{_off(each, asked)}"


def _off(each: Compared, asked: str) -> str:
    """By how much: a factor where there is one, else the difference."""
    if each.outcome in (RIGHT, UNKNOWN) or each.figure is None:
        return ""
    large, small = max(each.answer, each.figure), min(each.answer, each.figure)
    if small <= 0:
        return f" by {figure(large - small, asked)}"
    return f" by a factor of {words.ratio(large / small)}"


_MARKS = {RIGHT: sentences.MARKS["confirmed"], UNKNOWN: sentences.UNKNOWN}
