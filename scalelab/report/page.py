"""A run as one HTML file that needs nothing else: no script, no network, no font. Pure.

The words are those of the terminal (``sentences``, ``words``), the geometry is ``plots``'s, the
looks are ``page.html.j2``'s.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path
from typing import Any

import jinja2

from scalelab.measure.figures import FIGURES
from scalelab.measure.histogram import Histogram
from scalelab.measure.statistics import MIN_ROUNDS
from scalelab.measure.summary import gated
from scalelab.model import Comparison, RunResult, VariantSummary
from scalelab.report import compare, faulted, open_loop, plots, sentences, words

_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)


def render(result: RunResult, changes: compare.Changes | None = None) -> str:
    """The page of a run.

    Parameters
    ----------
    changes : the run against an earlier one, shown in a section of its own.
    """
    histograms = [_histogram(summary) for summary in result.summaries]
    sizes = ((plots.WIDE, "wide"), (plots.NARROW, "narrow"))
    ratios = list(_ratios(result))
    return template("page.html.j2").render(
        result=result,
        changes=changes,
        words=words,
        compare=compare,
        sentences=sentences,
        sheets=list(open_loop.sheets(result)),
        fact=fact,
        ratio=ratio,
        min_rounds=MIN_ROUNDS,
        percent_names=[f"{percent:g}%" for percent in _PERCENTILES],
        percentiles=[
            [gated(histogram, percent) if histogram else None for percent in _PERCENTILES]
            for histogram in histograms
        ],
        latency_plots=[(plots.percentiles(histograms, w), name) for w, name in sizes],
        round_plots=[
            (plots.rounds([s.by_round for s in result.summaries], w), name) for w, name in sizes
        ],
        forests=[(plots.forest(ratios, w), name) for w, name in sizes],
        faulted=faulted,
        figure_rows=_figure_rows(result),
        time_plots=[(plots.timelines(_timed(result), w), name) for w, name in sizes],
        change_forests=[
            (plots.forest(_changed(result, changes) if changes else [], w), name)
            for w, name in sizes
        ],
    )


@functools.cache
def template(name: str) -> jinja2.Template:
    """A page to fill in, by the name of its file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _clean(value: Any) -> Any:
    """Characters that neither HTML nor a file can hold, as U+FFFD."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in "\t\n\r" else c
        for c in value
    )


def _histogram(summary: VariantSummary) -> Histogram | None:
    """A variant's latencies, None where its percentiles are withheld (an overloaded open loop)."""
    return Histogram.decode(summary.histogram.encode()) if summary.p50_ms is not None else None


def fact(name: str, value: str | int | float) -> str:
    """One fact of the host, its unit beside the figure."""
    said = name.removesuffix("_bytes").removesuffix("_share").replace("_", " ")
    if isinstance(value, str):
        return f"{said} {value}"
    if name.endswith("_bytes"):
        return f"{said} {value / 1024**3:.1f} GB"
    return f"{said} {words.share(value) if name.endswith('_share') else value}"


def ratio(found: Comparison | None) -> str:
    if found is None:
        return ""
    bounds = words.interval(found.low, found.high, words.ratio)
    return f"{words.ratio(found.ratio)}x {bounds}".rstrip()


def _ratios(result: RunResult) -> list[plots.Ratio]:
    return [
        plots.Ratio(
            series,
            summary.name,
            f"{ratio(found)} {found.verdict}".rstrip(),
            # Without an interval the mark stands alone.
            found.low or found.ratio,
            found.ratio,
            found.high or found.ratio,
        )
        for series, summary in enumerate(result.summaries)
        if (found := summary.comparison) is not None and found.ratio > 0
    ]


def _figure_rows(result: RunResult) -> list[list[str]]:
    """What checkers and timeline found: one row a figure, one cell a variant."""
    rows = []
    for name, figure in FIGURES.items():
        values = [summary.figures.get(name) for summary in result.summaries]
        if any(value is not None for value in values):
            cells = ["–" if value is None else words.digits(value, 3) for value in values]
            rows.append([figure.text, *cells])
    return rows


def _timed(result: RunResult) -> list[plots.Timed]:
    return [
        plots.Timed(
            series,
            summary.timeline,
            [(each.at_s, each.text.partition("@")[0].strip()) for each in summary.struck],
        )
        for series, summary in enumerate(result.summaries)
        if summary.struck
    ]


def _changed(result: RunResult, changes: compare.Changes) -> list[plots.Ratio]:
    series = {summary.name: number for number, summary in enumerate(result.summaries)}
    return [
        plots.Ratio(
            series[row.variant],
            row.variant,
            compare.ratio(row),
            row.ratio_low or row.ratio,
            row.ratio,
            row.ratio_high or row.ratio,
        )
        for row in changes.variants
        if row.ratio > 0
    ]
