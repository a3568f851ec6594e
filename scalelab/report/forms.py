"""A run or a sweep in each of its forms: for a terminal, as JSON, CSV and a page; and from JSON."""

from __future__ import annotations

from rich.console import RenderableType

from scalelab.model import RunResult
from scalelab.report import document, sweep, table, table_csv
from scalelab.report.sweep import Sweep


def load(text: str, source: str = "the report") -> RunResult | Sweep:
    """What is in a document, a run or a sweep; takes and raises what ``document.load`` does."""
    opened = document.opened(text, source)
    if opened.get("schema") == sweep.SCHEMA:
        return sweep.read(opened, source)
    return document.read(opened, source)


def terminal(result: RunResult | Sweep, width: int) -> RenderableType:
    """Everything ``scalelab bench`` prints, for a terminal of so many columns."""
    if isinstance(result, RunResult):
        return table.render(result, width)
    from scalelab.report import sweep_table

    return sweep_table.render(result, width)


def json(result: RunResult | Sweep) -> str:
    """Its document."""
    return document.dump(result) if isinstance(result, RunResult) else sweep.dump(result)


def csv(result: RunResult | Sweep) -> str:
    """Its table."""
    if isinstance(result, RunResult):
        return table_csv.render(result)
    from scalelab.report import sweep_csv

    return sweep_csv.render(result)


def page(result: RunResult | Sweep) -> str:
    """Its HTML page."""
    if isinstance(result, RunResult):
        from scalelab.report import page

        return page.render(result)
    from scalelab.report import sweep_page

    return sweep_page.render(result)
