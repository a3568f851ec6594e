"""A run as a Rich table that fits the terminal. Pure: a result and a width in, a renderable out.

Layouts are tried from the fullest to the narrowest and the first that fits is taken: intervals
beside their figures; throughput's interval as ±%; intervals under their figures; then columns are
left out, the least missed first, and named below; at last one block a variant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from scalelab.measure.figures import FIGURES
from scalelab.model import RunResult, VariantSummary
from scalelab.report import faulted, open_loop, sentences, words

STYLES = {"faster": "green", "slower": "red", "same": "cyan", "inconclusive": "yellow"}
# What a narrow terminal does without, first to go first; all of it stays in --json and --csv.
EXPENDABLE = ("recov s", "recov", "p95", "max ms", "hit", "p50")


@dataclass(frozen=True)
class Column:
    """One column: its header and what it shows of a variant."""

    header: str
    cell: Callable[[VariantSummary], str | Text]
    left: bool = False


def render(result: RunResult, width: int) -> RenderableType:
    """Everything ``scalelab bench`` prints of a run.

    Parameters
    ----------
    width : of the terminal, in columns.
    """
    return Group(
        sentences.header(result, width),
        Text(),
        _fitting(result, width),
        *(part for sheet in open_loop.sheets(result) for part in (Text(), _small(sheet, width))),
        Text(),
        *sentences.found(result),
        *faulted.lines(result),
        *sentences.method(result),
        sentences.claims(result),
        sentences.warned(result.warnings),
    )


def _fitting(result: RunResult, width: int) -> RenderableType:
    """The fullest layout that fits."""
    for layout in (_full, _compact, _tall):
        table = _table(result, layout(result))
        if _fits(table, width):
            return table
    columns = _tall(result)
    left_out: list[str] = []
    there = {column.header for column in columns}
    for header in (each for each in EXPENDABLE if each in there):
        columns = [column for column in columns if column.header != header]
        left_out.append(header.removesuffix(" ms"))
        # The unit must survive the column that carried it.
        columns = [_with_unit(column, left_out) for column in columns]
        table = _table(result, columns)
        if _fits(table, width):
            note = f"narrow terminal: {', '.join(left_out)} left out, see --json"
            return Group(table, Text(note, style="dim"))
    return _stacked(result)


def _with_unit(column: Column, left_out: list[str]) -> Column:
    if column.header == "p99" and "max" in left_out:
        return Column("p99 ms", column.cell)
    return column


def _full(result: RunResult) -> list[Column]:
    """Intervals beside their figures."""

    def rate(summary: VariantSummary) -> str:
        bounds = words.interval(summary.throughput_low, summary.throughput_high)
        return f"{words.thousands(summary.throughput)} {bounds}".rstrip()

    def versus(summary: VariantSummary) -> str:
        if summary.comparison is None:
            return _alone(summary, result)
        found = summary.comparison
        bounds = words.interval(found.low, found.high, words.ratio)
        return f"{words.ratio(found.ratio)}x {bounds}".rstrip()

    return [
        _name(),
        Column(f"{words.plural(result.counted)}/s [95%]", rate),
        *_latencies(),
        *_correctness(result),
        *_versus(result, versus),
    ]


def _compact(result: RunResult) -> list[Column]:
    """Throughput's interval as ±%: it is symmetric, so nothing is lost."""

    def rate(summary: VariantSummary) -> str:
        around = words.spread(summary.throughput, summary.throughput_high)
        return f"{words.thousands(summary.throughput)} {around}".rstrip()

    full = _full(result)
    return [full[0], Column(f"{words.plural(result.counted)}/s", rate), *full[2:]]


def _tall(result: RunResult) -> list[Column]:
    """Two lines a variant: intervals under their figures, the verdict beside the ratio."""

    def rate(summary: VariantSummary) -> str:
        around = words.spread(summary.throughput, summary.throughput_high)
        return f"{words.thousands(summary.throughput)}\n{around}".rstrip()

    def versus(summary: VariantSummary) -> Text:
        found = summary.comparison
        if found is None:
            return Text(_alone(summary, result))
        bounds = words.interval(found.low, found.high, words.ratio)
        said = Text(found.verdict, STYLES.get(found.verdict, ""))
        lines = [Text.assemble(f"{words.ratio(found.ratio)}x", " " if found.verdict else "", said)]
        return Text("\n").join([*lines, Text(bounds)] if bounds else lines)

    columns = [
        _name(),
        Column(f"{words.plural(result.counted)}/s\n[95%]", rate),
        *_latencies(),
        *_correctness(result),
    ]
    if len(result.summaries) > 1:
        columns.append(Column(f"vs {result.summaries[0].name}\n[95%]", versus, left=True))
    return columns


def _name() -> Column:
    return Column("variant", lambda summary: summary.name, left=True)


def _latencies() -> list[Column]:
    return [
        Column("p50", lambda summary: words.ms(summary.p50_ms)),
        Column("p95", lambda summary: words.ms(summary.p95_ms)),
        Column("p99", lambda summary: words.ms(summary.p99_ms)),
        Column("max ms", lambda summary: words.ms(summary.max_ms)),
    ]


def _correctness(result: RunResult) -> Iterator[Column]:
    yield Column("err", lambda summary: words.share(summary.error_share))
    if any(summary.judged for summary in result.summaries):
        yield Column("stale", lambda summary: words.share(summary.stale_share))
    if any(summary.hit_share is not None for summary in result.summaries):
        yield Column("hit", lambda summary: words.share(summary.hit_share))
    for name, figure in FIGURES.items():
        values = [summary.figures.get(name) for summary in result.summaries]
        # None found is worth a column where a lab is about it; that nothing came twice is not.
        worth = [value for value in values if value or (value == 0 and not figure.quiet)]
        if worth:
            yield Column(figure.label, functools.partial(_checked, name))


def _versus(result: RunResult, versus: Callable[[VariantSummary], str]) -> Iterator[Column]:
    if len(result.summaries) < 2:
        return
    yield Column(f"vs {result.summaries[0].name}", versus, left=True)
    if any(summary.comparison and summary.comparison.verdict for summary in result.summaries):
        yield Column("verdict", _verdict, left=True)


def _verdict(summary: VariantSummary) -> Text:
    said = summary.comparison.verdict if summary.comparison else ""
    return Text(said, STYLES.get(said, ""))


def _alone(summary: VariantSummary, result: RunResult) -> str:
    return "1" if summary is result.summaries[0] else "–"


def _checked(name: str, summary: VariantSummary) -> str:
    value = summary.figures.get(name)
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else words.digits(value, 3)


def _small(sheet: open_loop.Sheet, width: int) -> RenderableType:
    """A sheet as a table, or one block a row where that does not fit."""
    table, before = _bare(), ""
    for number, header in enumerate(sheet.headers):
        table.add_column(
            Text(header), justify="left" if number < sheet.labels else "right", no_wrap=True
        )
    for label, *cells in sheet.rows:
        repeated = sheet.labels > 1 and label == before
        table.add_row(*map(Text, ("" if repeated else label, *cells)))
        before = label
    if _fits(table, width):
        return table
    blocks: list[RenderableType] = []
    for row in sheet.rows:
        blocks.append(Text(", ".join(row[: sheet.labels]), style="bold"))
        for header, value in list(zip(sheet.headers, row, strict=True))[sheet.labels :]:
            blocks.append(Padding.indent(Text(f"{header}: {value}"), 2))
    return Group(*blocks)


def _bare() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)


def _table(result: RunResult, columns: list[Column]) -> Table:
    table = _bare()
    for column in columns:
        # Headers and cells are Text: "[95%]" in a string would be read as markup.
        table.add_column(
            Text(column.header), justify="left" if column.left else "right", no_wrap=True
        )
    for summary in result.summaries:
        cells = (column.cell(summary) for column in columns)
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
    return table


def _fits(table: Table, width: int) -> bool:
    console = Console(width=10_000, color_system=None)
    return Measurement.get(console, console.options, table).maximum <= width


def _stacked(result: RunResult) -> RenderableType:
    """One block a variant, for terminals narrower than any table."""
    blocks: list[RenderableType] = []
    for summary in result.summaries:
        blocks.append(Text(summary.name, style="bold"))
        for column in _full(result)[1:]:
            value = column.cell(summary)
            label = f"{column.header} ms" if column.header[0] == "p" else column.header
            if str(value):
                blocks.append(Padding.indent(Text.assemble(f"{label}: ", value), 2))
    return Group(*blocks)
