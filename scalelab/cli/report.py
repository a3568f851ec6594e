"""report: kept runs and sweeps, listed and printed again; runs compared."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.model import RunResult
    from scalelab.report.sweep import Sweep

_LARGEST = 100 * 1024**2
_ABOVE = "look at the folder, or name another file"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(report)


def report(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A file, or a name from --list. Default: the latest.",
            autocompletion=options.complete_run,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Argument(
            help="An earlier run to compare it with.", autocompletion=options.complete_run
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the kept runs.")] = False,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")] = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a page; - for stdout.")
    ] = None,
) -> None:
    """Print a stored run or sweep again, or compare a run with an earlier one."""
    if json and csv:
        raise UsageError("only one document fits on stdout", "choose one of --json and --csv")
    if listed:
        if run or csv or html:
            raise UsageError("--list takes nothing but --json", "leave the rest out")
        _list(json)
        return
    output.check_files(html, "-" if json or csv else None)
    result = _load(run)
    if baseline is None:
        _print(result, json, csv, html)
    else:
        _compare(_one(result), _one(_load(baseline)), json, csv, html)


def _one(result: RunResult | Sweep) -> RunResult:
    """A run to compare; a sweep is none."""
    from scalelab.model import RunResult

    if isinstance(result, RunResult):
        return result
    raise UsageError(
        f"a sweep of {result.parameter} cannot be compared",
        "two runs can, each from a bench without --sweep; see: scalelab report --list",
    )


def _print(result: RunResult | Sweep, json: bool, csv: bool, html: str | None) -> None:
    from scalelab.report import forms

    if json or csv:
        output.write("-", forms.json(result) if json else forms.csv(result), "")
    elif html != "-":
        console = output.stdout()
        console.print(forms.terminal(result, console.width))
    if html:
        output.write(html, forms.page(result), _ABOVE)


def _compare(
    result: RunResult, baseline: RunResult, json: bool, csv: bool, html: str | None
) -> None:
    from scalelab.report import compare

    changes = compare.compare(result, baseline)
    if json or csv:
        output.write("-", compare.dump(changes) if json else compare.table_csv(changes), "")
    elif html != "-":
        output.stdout().print(compare.render(changes))
    if html:
        from scalelab.report import page

        output.write(html, page.render(result, changes), _ABOVE)


def _load(name: str | None) -> RunResult | Sweep:
    """What is in a file, or of a kept name; the latest when none is named."""
    from scalelab.report import forms

    path = _find(name)
    return forms.load(_read(path), name if name and path == Path(name) else path.stem)


def _find(name: str | None) -> Path:
    runs = config.runs()
    if name is None or name == "latest":
        latest = runs.latest()
        if latest is None:
            raise UsageError("no run is kept yet", "make one with: scalelab bench caching")
        return runs.path(latest)
    kept = runs.names()
    if name.removesuffix(".json") in kept and not Path(name).is_file():
        return runs.path(name.removesuffix(".json"))
    if not Path(name).exists():
        near = difflib.get_close_matches(name, kept, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no file and no kept run {name!r}", f"{hint}see: scalelab report --list"
        )
    return Path(name)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path} is too large to be a run", "name another file")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a scalelab run: it is no text", _SEE) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", _SEE) from None


_SEE = "see the kept runs with: scalelab report --list"


def _list(json: bool) -> None:
    from scalelab.report import forms

    runs = config.runs()
    found: list[dict[str, Any]] = []
    unreadable: list[dict[str, Any]] = []
    for name in runs.names():
        try:
            found.append(_row(name, forms.load(_read(runs.path(name)), name)))
        except UsageError as error:
            unreadable.append({"name": name, "why": error.message})
    if json:
        output.document("scalelab.runs", 2, {"runs": found, "unreadable": unreadable})
        return
    _table(found)
    for row in unreadable:
        output.note(f"not shown: {row['why']}")


def _row(name: str, result: RunResult | Sweep) -> dict[str, Any]:
    from scalelab.model import RunResult

    if isinstance(result, RunResult):
        return _facts(name, result, result.started, _variants(result), _outcome(result), None)
    variants = [
        # Of a sweep, the most it gave; over sizes there is no one ratio.
        {
            "name": variant,
            "throughput_per_s": max(each.throughput for each in result.of(variant).values()),
            "ratio": None,
        }
        for variant in result.variants
    ]
    values = ",".join(f"{point.value:.12g}" for point in result.points)
    outcome = f"sweep of {result.parameter}{', broke off' if result.missing else ''}"
    swept = f"{result.parameter}={values}"
    return _facts(name, result.first, result.started, variants, outcome, swept)


def _variants(result: RunResult) -> list[dict[str, Any]]:
    return [
        {
            "name": summary.name,
            "throughput_per_s": summary.throughput,
            "ratio": summary.comparison.ratio if summary.comparison else None,
        }
        for summary in result.summaries
    ]


def _facts(
    name: str,
    run: RunResult,
    started: float,
    variants: list[dict[str, Any]],
    outcome: str,
    swept: str | None,
) -> dict[str, Any]:
    return {
        "name": name,
        "started_unix_s": started,
        "lab": run.lab,
        "runtime": run.runtime,
        "sweep": swept,
        "variants": variants,
        "result": outcome,
    }


def _outcome(result: RunResult) -> str:
    """The gravest of a run's claims, in one word or two."""
    if result.aa and not result.quick:
        compared = result.summaries[1].comparison
        differs = compared is not None and compared.verdict in ("faster", "slower")
        return "A/A, a difference" if differs else "A/A, silent"
    outcomes = {claim.outcome for claim in result.claims}
    if result.quick:
        return "quick look"
    ranked = ("refuted", "inconclusive", "confirmed")
    return next((outcome for outcome in ranked if outcome in outcomes), "no claims")


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from scalelab.report import words

    if not rows:
        output.stdout().print("no run is kept; make one with: scalelab bench caching")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    # A name is there to be copied: the other columns give way.
    table.add_column("name", no_wrap=True)
    for header in ("time (UTC)", "lab", "runtime", "variants", "result"):
        table.add_column(header, overflow="fold")
    for row in rows:
        variants = [
            f"{v['name']} {words.ratio(v['ratio'])}x" if v["ratio"] else v["name"]
            for v in row["variants"]
        ]
        cells = (
            row["name"],
            words.utc(row["started_unix_s"])[:16],
            row["lab"],
            row["runtime"],
            ", ".join(variants),
            row["result"],
        )
        table.add_row(*map(Text, cells))
    output.stdout().print(table)
