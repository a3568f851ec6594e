"""A sweep: one run for each N, the scaling law through them, and its curve. Pure.

Each N counts once in the fit, with the mean of its rounds: rounds of one run share its data and
its moment, so they say little of what another run at this N would have given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scalelab.measure import doubts, scaling_law
from scalelab.measure.scaling_law import Estimate, Law
from scalelab.measure.summary import WARN_SHARE
from scalelab.model import RunResult, VariantSummary
from scalelab.report import document, sentences, words

SCHEMA = "scalelab.sweep"
VERSION = 1
_ROWS, _MOST_COLUMNS, _MARKS = 12, 64, "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep.

    Parameters
    ----------
    parameter : what was varied: "clients".
    runs : by its value, ascending; the same variants in each.
    """

    parameter: str
    runs: Mapping[int, RunResult]

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the variants, baseline first."""
        return tuple(summary.name for summary in self._first.summaries)

    @property
    def counted(self) -> str:
        """What the throughput counts, in the plural."""
        return words.plural(self._first.counted)

    @property
    def _first(self) -> RunResult:
        return next(iter(self.runs.values()))

    def of(self, variant: str) -> dict[int, VariantSummary]:
        """One variant's figures at each N."""
        return {
            n: next(each for each in run.summaries if each.name == variant)
            for n, run in self.runs.items()
        }

    def law(self, variant: str) -> Law:
        """The Universal Scalability Law through one variant's throughput."""
        return scaling_law.universal(self._points(variant), proportional=True)

    def amdahl(self, variant: str) -> Law:
        """Amdahl's law through it."""
        return scaling_law.amdahl(self._points(variant), proportional=True)

    def _points(self, variant: str) -> list[tuple[float, float]]:
        return [(n, summary.throughput) for n, summary in self.of(variant).items()]


def dump(sweep: Sweep) -> str:
    """The sweep as a JSON document; every run in it is one of ``scalelab.run``."""
    built = {
        "schema": SCHEMA,
        "version": VERSION,
        "parameter": sweep.parameter,
        "runs": [{"n": n, "run": document.build(run)} for n, run in sweep.runs.items()],
        "laws": {
            name: {"universal": _built(sweep.law(name)), "amdahl": _built(sweep.amdahl(name))}
            for name in sweep.variants
        },
    }
    return json.dumps(built, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render(sweep: Sweep, width: int) -> RenderableType:
    """Everything ``scalelab bench --sweep`` prints.

    Parameters
    ----------
    width : of the terminal, in columns.
    """
    run = next(iter(sweep.runs.values()))
    rounds = "1 round" if run.rounds == 1 else f"{run.rounds} rounds"
    parts = [
        run.runtime,
        words.budget(run.budget, enforced=run.budgeted),
        f"each {rounds} of {words.seconds(run.load.duration_s)}",
        f"seed {run.load.seed}",
        *(["quick look"] if run.quick else []),
    ]
    return Group(
        sentences.title(run.lab, parts, width),
        Text(),
        _table(sweep),
        Text(),
        *(Text(line, no_wrap=True) for line in plot(sweep, width)),
        Text(),
        *_sentences(sweep),
        *(Text(f"warning  {warning}", style="yellow") for warning in _warnings(sweep)),
    )


def plot(sweep: Sweep, width: int) -> list[str]:
    """The measured throughput (a letter a variant) and the laws' curves (dots) in characters."""
    laws = {name: sweep.law(name) for name in sweep.variants}
    measured = {
        name: {n: summary.throughput for n, summary in sweep.of(name).items()} for name in laws
    }
    last = max(sweep.runs)
    top = max(throughput for points in measured.values() for throughput in points.values())
    top = max(top, *(law.throughput(min(law.knee or last, last)) for law in laws.values()))
    label = words.thousands(top)
    columns = max(10, min(_MOST_COLUMNS, width - len(label) - 2))
    grid = [[" "] * columns for _ in range(_ROWS)]

    def put(n: float, throughput: float, mark: str) -> None:
        row = round((1 - min(1.0, throughput / top)) * (_ROWS - 1))
        grid[row][round(n / last * (columns - 1))] = mark

    for law in laws.values():
        for column in range(columns):
            n = column / (columns - 1) * last
            if n >= 1:
                put(n, law.throughput(n), ".")
    for name, mark in zip(measured, _MARKS, strict=False):
        for n, throughput in measured[name].items():
            put(n, throughput, mark)
    names = [f"{mark} {name}" for name, mark in zip(laws, _MARKS, strict=False)]
    left = [label, *[""] * (_ROWS - 2), "0"]
    return [
        f"{sweep.counted}/s:  {'   '.join(names)}   . scaling law",
        *(
            f"{text:>{len(label)}} |{''.join(row)}".rstrip()
            for text, row in zip(left, grid, strict=True)
        ),
        f"{'':>{len(label)}} +{'-' * columns}",
        f"{'':>{len(label)}}  0{f'{last} {sweep.parameter}':>{columns - 1}}",
    ]


def _table(sweep: Sweep) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(Text(sweep.parameter), justify="right", no_wrap=True)
    for name in sweep.variants:
        table.add_column(Text(f"{name}\n{sweep.counted}/s [95%]"), justify="right")
    figures = {name: sweep.of(name) for name in sweep.variants}
    for n in sweep.runs:
        table.add_row(Text(f"{n:,}"), *(Text(_figure(figures[name][n])) for name in figures))
    return table


def _figure(summary: VariantSummary) -> str:
    around = words.spread(summary.throughput, summary.throughput_high)
    return f"{words.thousands(summary.throughput)} {around}".rstrip()


def _sentences(sweep: Sweep) -> Iterator[Text]:
    for name in sweep.variants:
        law, amdahl = sweep.law(name), sweep.amdahl(name)
        yield Text(f"{name}: {_knee(law, sweep)}.")
        yield Text(
            f"  universal law: contention {_estimate(law.contention)}, coherency "
            f"{_estimate(law.coherency)}, one alone {_estimate(law.single)} {sweep.counted}/s"
            f"{_explained(law)}; Amdahl's: contention {_estimate(amdahl.contention)}"
            f"{_explained(amdahl)} (± standard error).",
            style="dim",
        )


def _knee(law: Law, sweep: Sweep) -> str:
    if law.knee is None:
        return "no knee: by the law it only flattens"
    figure = f"{law.knee:.0f}" if law.knee >= 10 else words.digits(law.knee, 2)
    peak = f"{words.thousands(law.throughput(law.knee))} {sweep.counted}/s"
    said = f"knee at {figure} {sweep.parameter} ({peak})"
    if law.knee > max(sweep.runs):
        said += ", beyond what was measured"
    quick = any(run.quick for run in sweep.runs.values())
    return said if law.knee_is_sure and not quick else f"{said}, but it may be noise"


def _estimate(value: Estimate) -> str:
    error = "" if value.error is None else f" ± {_short(value.error, 2)}"
    return f"{_short(value.value, 3)}{error}"


def _short(value: float, digits: int) -> str:
    # An exponent rather than a coherency of 0.00000, which is not nothing.
    return words.thousands(value) if value >= 100 else f"{value:.{digits}g}"


def _explained(law: Law) -> str:
    return "" if law.r_squared is None else f", r² {law.r_squared:.3f}"


def _warnings(sweep: Sweep) -> Iterator[str]:
    for name in sweep.variants:
        near = [n for n, each in sweep.of(name).items() if each.cpu_share >= WARN_SHARE]
        if near:
            listed = ", ".join(map(str, near))
            yield (
                f"{name}: at {listed} {sweep.parameter} the load generator may have been the "
                "limit, and the law its own; try more --workers"
            )
    if any(not run.budgeted for run in sweep.runs.values()):
        yield "CPU budgets are not enforced here: all nodes share the cores of this machine"
    steal = max(float(run.host.get("steal_share", 0.0)) for run in sweep.runs.values())
    if steal >= doubts.STEAL:
        yield f"other guests of this machine's host took up to {steal:.0%} of its CPU time (steal)"
    if any(s.error_share > 0 for run in sweep.runs.values() for s in run.summaries):
        yield "some operations failed: --json has how many, of what kind and where"


def _built(law: Law) -> dict[str, Any]:
    def pair(key: str, estimate: Estimate, unit: str = "") -> dict[str, float | None]:
        return {f"{key}{unit}": estimate.value, f"{key}_error{unit}": estimate.error}

    return {
        **pair("single", law.single, "_per_s"),
        **pair("contention", law.contention),
        **pair("coherency", law.coherency),
        "r_squared": law.r_squared,
        "knee": law.knee,
        "knee_is_sure": law.knee_is_sure,
    }
