"""A sweep as a terminal shows it: table, curve in characters, what the laws say. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scalelab.measure.scaling_law import Estimate, Law
from scalelab.model import VariantSummary
from scalelab.report import sentences, words
from scalelab.report.sweep import Sweep

_ROWS, _MOST_COLUMNS, _MARKS = 12, 64, "abcdefghijklmnopqrstuvwxyz"
_CURVE, _REFERENCE = ".", "-"


def render(sweep: Sweep, width: int) -> RenderableType:
    """Everything ``scalelab bench --sweep`` prints.

    Parameters
    ----------
    width : of the terminal, in columns.
    """
    return Group(
        sentences.title(sweep.first.lab, facts(sweep), width),
        *([Text(f"varied: {said}", style="dim")] if (said := varied(sweep)) else []),
        Text(),
        _table(sweep),
        Text(),
        *(Text(line, no_wrap=True) for line in plot(sweep, width)),
        Text(),
        *_sentences(sweep),
        sentences.warned(sweep.warnings()),
    )


def facts(sweep: Sweep) -> list[str]:
    """What ran, where and how, in a few words each."""
    run = sweep.first
    rounds = "1 round" if run.rounds == 1 else f"{run.rounds} rounds"
    return [
        run.runtime,
        budget(sweep),
        load(sweep),
        f"each {rounds} of {words.seconds(run.load.duration_s)}",
        f"seed {run.load.seed}",
        *(["quick look"] if run.quick else []),
    ]


def budget(sweep: Sweep) -> str:
    """What every node may use, but for what is varied."""
    run = sweep.first
    if sweep.parameter == "cpus":
        return f"every node {words.room(run.budget)}"
    return words.budget(run.budget, enforced=sweep.budgeted)


def load(sweep: Sweep) -> str:
    """How the load was applied, but for what is varied."""
    fixed = sweep.parameter != "clients" and not sweep.clients_vary
    return words.loop(sweep.first.load) if fixed else "closed loop"


def varied(sweep: Sweep) -> str:
    """What was varied, where that is not every variant's clients; else ""."""
    if sweep.parameter == "clients":
        return ""
    constant = [name for name in sweep.variants if name not in sweep.varied]
    said = f"{sweep.parameter} of {', '.join(sweep.varied)}"
    if constant:
        said += f"; the same in every run: {', '.join(constant)}"
    if sweep.clients_vary:
        said += ". Clients grow with the nodes, so that each node has as much to do"
    return f"{said}."


def plot(sweep: Sweep, width: int) -> list[str]:
    """The measured throughput (a letter a variant) and the laws' curves (dots) in characters."""
    measured = {
        name: {value: each.throughput for value, each in sweep.of(name).items()}
        for name in sweep.variants
    }
    laws = [each.universal for each in sweep.laws.values() if each]
    last = sweep.last
    top = max(throughput for points in measured.values() for throughput in points.values())
    top = max(top, *(sweep.throughput(law, min(sweep.knee(law) or last, last)) for law in laws), 0)
    label = words.thousands(top)
    columns = max(10, min(_MOST_COLUMNS, width - len(label) - 2))
    grid = [[" "] * columns for _ in range(_ROWS)]

    def put(value: float, throughput: float, mark: str) -> None:
        row = round((1 - min(1.0, throughput / (top or 1))) * (_ROWS - 1))
        grid[row][round(value / last * (columns - 1))] = mark

    for column in range(columns):
        value = column / (columns - 1) * last
        if value >= sweep.points[0].value:
            for name in measured:
                if name not in sweep.varied:
                    put(value, sweep.mean(name), _REFERENCE)
        if value >= sweep.unit:
            for law in laws:
                put(value, sweep.throughput(law, value), _CURVE)
    for name, mark in zip(measured, _MARKS, strict=False):
        for value, throughput in measured[name].items():
            put(value, throughput, mark)
    names = [f"{mark} {name}" for name, mark in zip(measured, _MARKS, strict=False)]
    if laws:
        names.append(f"{_CURVE} scaling law")
    if len(sweep.varied) < len(sweep.variants):
        names.append(f"{_REFERENCE} mean")
    left = [label, *[""] * (_ROWS - 2), "0"]
    end = f"{words.number(last)} {sweep.parameter}"
    return [
        f"{sweep.counted}/s:  {'   '.join(names)}",
        *(
            f"{text:>{len(label)}} |{''.join(row)}".rstrip()
            for text, row in zip(left, grid, strict=True)
        ),
        f"{'':>{len(label)}} +{'-' * columns}",
        f"{'':>{len(label)}}  0{end:>{columns - 1}}",
    ]


def knee(law: Law, sweep: Sweep) -> str:
    """Where the throughput is highest by the law, and how sure that is."""
    at = sweep.knee(law)
    if at is None:
        return "no knee: by the law it only flattens"
    peak = f"{words.thousands(sweep.throughput(law, at))} {sweep.counted}/s"
    said = f"knee at {size(at)} {sweep.parameter} ({peak})"
    if at > sweep.last:
        said += ", beyond what was measured"
    return said if sweep.knee_is_sure(law) else f"{said}, but it may be noise"


def size(value: float) -> str:
    """A size as a law has it."""
    return f"{value:,.0f}" if value >= 10 else words.digits(value, 2)


def estimate(value: Estimate) -> str:
    """A law's parameter and its standard error."""
    error = "" if value.error is None else f" ± {_short(value.error, 2)}"
    return f"{_short(value.value, 3)}{error}"


def found(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """A sentence for each variant, and a second with the laws' parameters ("" without a law)."""
    for name in sweep.variants:
        if name not in sweep.varied:
            figures = [each.throughput for each in sweep.of(name).values()]
            low, high = (words.thousands(end(figures)) for end in (min, max))
            mean = words.thousands(sweep.mean(name))
            yield f"{name}: not varied, {mean} {sweep.counted}/s on average ({low} to {high}).", ""
        elif (laws := sweep.laws[name]) is None:
            yield f"{name}: no law: {lawless(sweep)}.", ""
        else:
            law, amdahl = laws.universal, laws.amdahl
            yield (
                f"{name}: {knee(law, sweep)}.",
                f"universal law: contention {estimate(law.contention)}, coherency "
                f"{estimate(law.coherency)}, {alone(sweep)} {estimate(law.single)} "
                f"{sweep.counted}/s, r² {explained(law)}; Amdahl's: contention "
                f"{estimate(amdahl.contention)}, r² {explained(amdahl)} (± standard error).",
            )


def alone(sweep: Sweep) -> str:
    """What N = 1 of the laws is."""
    return "one alone" if sweep.unit == 1 else f"at {words.number(sweep.unit)} {sweep.parameter}"


def lawless(sweep: Sweep) -> str:
    """Why a varied variant has no law."""
    return sweep.lawless or "no curve of one comes near these figures"


def explained(law: Law) -> str:
    """The share of the variance a law explains."""
    return "–" if law.r_squared is None else f"{law.r_squared:.3f}"


def unit(sweep: Sweep) -> str:
    """In what the laws count, where it is not in ones."""
    if sweep.unit == 1 or sweep.lawless:
        return ""
    smallest = f"{words.number(sweep.unit)} {sweep.parameter}"
    return f"The laws count in units of {smallest}, the smallest value."


def _sentences(sweep: Sweep) -> Iterator[Text]:
    for sentence, laws in found(sweep):
        yield Text(sentence)
        if laws:
            yield Text(f"  {laws}", style="dim")
    if said := unit(sweep):
        yield Text(said, style="dim")


def _table(sweep: Sweep) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(Text(sweep.parameter), justify="right", no_wrap=True)
    if sweep.clients_vary:
        table.add_column("clients", justify="right", no_wrap=True)
    for name in sweep.variants:
        table.add_column(Text(f"{name}\n{sweep.counted}/s [95%]"), justify="right")
    figures = {name: sweep.of(name) for name in sweep.variants}
    for point in sweep.points:
        clients = [f"{point.run.load.clients:,}"] if sweep.clients_vary else []
        cells = [_figure(figures[name][point.value]) for name in figures]
        table.add_row(*map(Text, [f"{words.number(point.value)}", *clients, *cells]))
    return table


def _figure(summary: VariantSummary) -> str:
    around = words.spread(summary.throughput, summary.throughput_high)
    return f"{words.thousands(summary.throughput)} {around}".rstrip()


def _short(value: float, digits: int) -> str:
    # An exponent rather than a coherency of 0.00000, which is not nothing.
    return words.thousands(value) if value >= 100 else f"{value:.{digits}g}"
