"""bench: the variants of a lab side by side, under load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from scalelab.cli import aa as against_itself
from scalelab.cli import options, output, running
from scalelab.cli import sweep as sweeping
from scalelab.errors import CheckFailed, Inconclusive, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.measure.thresholds import Threshold
    from scalelab.model import Lab, RunResult, Variant

_MOST_WORKERS = 1000


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(bench)


def _complete_arrivals(incomplete: str) -> list[str]:
    from scalelab.model import ARRIVALS

    return [kind for kind in ARRIVALS if kind.startswith(incomplete)]


def bench(
    context: typer.Context,
    lab: Annotated[str, typer.Argument(help="Which lab.", autocompletion=options.complete_lab)],
    variants: Annotated[
        str | None,
        typer.Option("--variants", "-v", help="Only these, separated by commas."),
    ] = None,
    clients: Annotated[
        int | None,
        typer.Option(
            envvar="SCALELAB_CLIENTS",
            min=1,
            help="Sessions. Without --rate they never pause: a closed loop.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            envvar="SCALELAB_RATE",
            metavar="R | R:S,R:S",
            help="Open loop: planned arrivals per second, or stages of rate:seconds.",
        ),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            envvar="SCALELAB_ARRIVALS",
            metavar="KIND",
            help="Of an open loop: poisson, or constant (evenly spaced).",
            autocompletion=_complete_arrivals,
        ),
    ] = "poisson",
    duration: options.Duration = None,
    rounds: options.Rounds = None,
    seed: options.Seed = 42,
    workers: Annotated[
        str,
        typer.Option(
            envvar="SCALELAB_WORKERS",
            metavar="N",
            help="Processes that make the load, or tcp://HOST:PORT of a Dask scheduler; auto: one, "
            "and more while it is the limit.",
        ),
    ] = "auto",
    quick: options.Quick = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="EXPR",
            help="Exit 1 where it holds, such as 'p99_ms>50'; repeat for more.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="WHAT",
            help="In every slice: 'kill primary @2s', 'pause replica1 @1s for 500ms'; repeat.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="KEY=N,N",
            help="A run for each, and the scaling law: clients=1,2,4,8, or nodes, cpus, shards.",
        ),
    ] = None,
    aa: Annotated[
        bool, typer.Option("--aa", help="A variant against itself: what is noise here.")
    ] = False,
    runtime: options.Runtime = "auto",
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    disk: options.Disk = options.DEFAULT_DISK,
    json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the run; - for stdout.")
    ] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write the table; - for stdout.")
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a page; - for stdout.")
    ] = None,
) -> None:
    """Run a lab: its variants in interleaved rounds, compared in one table."""
    from scalelab import catalog

    found = catalog.lab(lab)
    # What is typed beats scalelab.toml: its other kind of loop, and its duration of other stages.
    if _typed(context, "clients") and not _typed(context, "rate"):
        rate = None
    elif _typed(context, "rate") and not _typed(context, "clients"):
        clients = None
    if _typed(context, "rate") and not _typed(context, "duration") and ":" in (rate or ""):
        duration = None
    if rate is None and _typed(context, "arrivals"):
        raise UsageError("--arrivals is of an open loop", "such as: --rate 500 --arrivals constant")
    if sweep is not None:
        # Of what a sweep varies or cannot use, what is typed is refused, and settings give way.
        key = sweeping.key_of(sweep)
        for option in (
            "rate",
            "arrivals",
            "fail_if",
            "fault",
            "aa",
            *({key} & {"clients", "cpus"}),
        ):
            if _typed(context, option):
                flag = f"--{option.replace('_', '-')}"
                raise UsageError(f"--sweep and {flag} exclude each other", "leave one of them out")
        rate = fail_if = None
        clients = None if key == sweeping.CLIENTS else clients
    chosen = _chosen(found, variants)
    scheduler = _scheduler(workers)
    number = 1 if scheduler else _workers(workers)
    plan = running.Plan(
        name=lab,
        lab=found,
        variants=tuple(chosen),
        load=running.load(
            found,
            clients=clients,
            rate=rate,
            arrivals=arrivals,
            duration=duration,
            seed=seed,
            workers=number or 1,
            quick=quick,
        ),
        rounds=running.rounds(rounds, quick, found),
        quick=quick,
        runtime=runtime,
        budget=options.budget(cpus, memory, disk, usual=catalog.budget(found)),
        workers=number,
        scheduler=scheduler,
        faults=tuple(fault or ()),
    )
    running.strokes(plan)
    if aa:
        against_itself.only([variant.name for variant in chosen] if variants else [])
        plan = against_itself.plan(plan)
    limits = _limits(fail_if or [], plan.variants)
    output.check_files(json, csv, html)
    if sweep is not None:
        sweeping.sweep(plan, sweep, json, csv, html)
        return
    result = running.run(plan)
    running.keep(result)
    running.show(result, json, csv, html, "run")
    if aa:
        against_itself.judge(result)
    judge(plan.lab, result, limits)


def _typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _workers(text: str) -> int | None:
    """How many processes make the load; None for as many as it takes."""
    digits = text.strip()
    if digits == "auto":
        return None
    if digits.isascii() and digits.isdigit() and 1 <= int(digits[:9]) <= _MOST_WORKERS:
        return int(digits)
    raise UsageError(
        f"--workers takes auto, a number from 1 to {_MOST_WORKERS:,}, or the address of a Dask "
        f"scheduler, not {text!r}",
        "such as: --workers 2, or --workers tcp://10.0.0.7:8786",
    )


def _scheduler(text: str) -> str:
    """The address of a Dask scheduler; "" where the text is something else altogether."""
    import re

    if "://" not in text:
        return ""
    found = re.fullmatch(r"(?:tcp|tls)://(?:[\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})", text.strip())
    if found and 1 <= int(found[1]) <= 65535:
        return found[0]
    raise UsageError(
        f"{text!r} is not the address of a Dask scheduler",
        "it is tcp://HOST:PORT, or tls://HOST:PORT; a scheduler's port is 8786 by default",
    )


def _chosen(lab: Lab, names: str | None) -> list[Variant]:
    if names is None:
        return list(lab.variants)
    known = {variant.name: variant for variant in lab.variants}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise UnknownName("variant", name, known)
    if not wanted or len(set(wanted)) < len(wanted):
        raise UsageError(f"--variants {names!r} names none, or one twice", f"of {', '.join(known)}")
    return [known[name] for name in wanted]


def _limits(expressions: list[str], variants: Sequence[Variant]) -> list[Threshold]:
    from scalelab.measure import thresholds

    names = [variant.name for variant in variants]
    return [thresholds.parse(expression, names) for expression in expressions]


def judge(lab: Lab, result: RunResult, limits: list[Threshold]) -> None:
    """End with the exit code that limits and claims call for: what failed before what is open."""
    from scalelab.measure import thresholds

    said = thresholds.judge(limits, result.summaries)
    # A quick look judges no claim, but a limit is on the figure itself.
    claims = () if result.quick else result.claims
    refuted = [claim.text for claim in claims if claim.outcome == "refuted"]
    failed = [f"failed: {'; '.join(said.broken)}"] if said.broken else []
    if refuted:
        failed.append(f"refuted here: {'; '.join(refuted)}")
    if failed:
        raise CheckFailed("; ".join(failed), "the figures are above")
    open_ = [claim.text for claim in claims if claim.outcome == "inconclusive"]
    unsettled = [*said.unknown, *open_]
    if unsettled:
        metrics = {claim.metric for claim in lab.claims if claim.text in open_}
        hints = [_settle(result, metrics)] if open_ else []
        if said.unknown:
            longer = max(10, 2 * result.load.duration_s)
            hints.append(f"for a limit: measure longer (--duration {longer:g}), or leave it out")
        raise Inconclusive(f"not settled: {'; '.join(unsettled)}", "; ".join(hints))


def _settle(result: RunResult, metrics: set[str]) -> str:
    """What would settle open claims on these metrics."""
    from scalelab.measure.claims import CORRECTNESS, MAX_ERRORS
    from scalelab.measure.summary import LIMIT_SHARE, used

    hints = []
    if metrics & CORRECTNESS:
        longer = max(10, 2 * result.load.duration_s)
        hints.append(f"look for longer: --duration {longer:g}")
    if metrics - CORRECTNESS:
        if not result.budgeted:
            hints.append("run it where CPU budgets are enforced (scalelab doctor tells how)")
        elif any(summary.error_share > MAX_ERRORS for summary in result.summaries):
            hints.append("end the errors first: scalelab logs NODE may tell why")
        elif any(used(summary) >= LIMIT_SHARE for summary in result.summaries):
            hints.append(f"the load generator is the limit: --workers {result.load.workers + 1}")
        else:
            hints.append(f"run more rounds: --rounds {max(10, 2 * result.rounds)}")
    return "; ".join(hints)
