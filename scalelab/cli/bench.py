"""bench: the variants of a lab side by side, under load."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from scalelab.cli import config, options, output
from scalelab.errors import CheckFailed, EnvironmentLacks, Inconclusive, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.load.pool import Pool
    from scalelab.measure.thresholds import Threshold
    from scalelab.model import Budget, Cluster, Lab, Load, RunResult, Variant
    from scalelab.report.sweep import Sweep

_ROUNDS, _DURATION_S, _WARMUP_S = 5, 3.0, 1.0
_QUICK_ROUNDS, _QUICK_DURATION_S, _QUICK_WARMUP_S = 2, 1.0, 0.5
_OPEN_LOOP_CLIENTS = 64
_SWEPT = ("clients",)
_MOST_CLIENTS = 10_000


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(bench)


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
            envvar="SCALELAB_CLIENTS", min=1, help="Closed loop: sessions that never pause."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            envvar="SCALELAB_RATE", help="Open loop: planned arrivals per second (Poisson)."
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            envvar="SCALELAB_DURATION", help="Seconds measured in each slice. Default: 3."
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(envvar="SCALELAB_ROUNDS", min=1, help="Default: 5.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(envvar="SCALELAB_SEED", help="Of keys, arrivals and the order of variants."),
    ] = 42,
    workers: Annotated[
        int, typer.Option(envvar="SCALELAB_WORKERS", min=1, help="Processes that make the load.")
    ] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: no verdicts.")] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="EXPR",
            help="Exit 1 where it holds, such as 'p99_ms>50'; repeat for more.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="KEY=N,N",
            help="A run for each, and the scaling law: clients=1,2,4,8.",
        ),
    ] = None,
    runtime: options.Runtime = "auto",
    cpus: options.Cpus = options.DEFAULT_CPUS,
    memory: options.Memory = options.DEFAULT_MEMORY,
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
    if clients is not None and rate is not None:
        # What is typed beats scalelab.toml, also where the two exclude each other.
        if _typed(context, "clients") and not _typed(context, "rate"):
            rate = None
        elif _typed(context, "rate") and not _typed(context, "clients"):
            clients = None
    sizes = _sizes(sweep) if sweep is not None else []
    if sizes:
        for option in ("clients", "rate", "csv", "html", "fail_if"):
            if _typed(context, option):
                flag = f"--{option.replace('_', '-')}"
                raise UsageError(f"--sweep and {flag} exclude each other", "leave one of them out")
        clients = rate = csv = html = fail_if = None
    load = _load(found, clients, rate, duration, seed, workers, quick)
    chosen = _chosen(found, variants)
    limits = _limits(fail_if or [], chosen)
    budget = options.budget(cpus, memory)
    output.check_files(json, csv, html)
    if sizes:
        swept = _sweep(lab, found, chosen, load, rounds, quick, runtime, budget, sizes)
        _print_sweep(swept, json)
        return
    result = _run(lab, found, chosen, load, rounds, quick, runtime, budget)
    _keep(result)
    _print(result, json, csv, html)
    _judge(found, result, limits)


def _typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _load(
    lab: Lab,
    clients: int | None,
    rate: float | None,
    duration: float | None,
    seed: int,
    workers: int,
    quick: bool,
) -> Load:
    from scalelab.model import Load

    if clients is not None and rate is not None:
        raise UsageError("--clients makes a closed loop, --rate an open one", "choose one of them")
    if rate is not None and not 0 < rate < 1e7:
        raise UsageError(f"--rate takes arrivals per second, not {rate:g}", "such as: --rate 500")
    if duration is not None and not 0.1 <= duration <= 86_400:
        raise UsageError(f"--duration takes 0.1 to 86400 s, not {duration:g}", "--duration 3")
    return Load(
        clients=clients or (lab.clients if rate is None else _OPEN_LOOP_CLIENTS),
        rate=rate,
        duration_s=duration or (_QUICK_DURATION_S if quick else _DURATION_S),
        warmup_s=_QUICK_WARMUP_S if quick else _WARMUP_S,
        seed=seed,
        workers=workers,
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


def _limits(expressions: list[str], variants: list[Variant]) -> list[Threshold]:
    from scalelab.measure import thresholds

    names = [variant.name for variant in variants]
    return [thresholds.parse(expression, names) for expression in expressions]


def _sizes(text: str) -> list[int]:
    """The values of ``clients=1,2,4,8``, ascending."""
    from scalelab.measure.scaling_law import MIN_SIZES

    example = "such as: --sweep clients=1,2,4,8,16"
    name, equals, listed = text.partition("=")
    if name.strip() not in _SWEPT:
        raise UnknownName("sweep parameter", name.strip(), _SWEPT)
    if not equals:
        raise UsageError(f"--sweep {text!r} has no values", example)
    sizes = set()
    for value in listed.split(","):
        digits = value.strip()
        if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:9]) <= _MOST_CLIENTS):
            raise UsageError(
                f"--sweep takes whole numbers from 1 to {_MOST_CLIENTS:,}, not {digits!r}", example
            )
        sizes.add(int(digits))
    if len(sizes) < MIN_SIZES:
        raise UsageError(
            f"a scaling law needs at least {MIN_SIZES} different values, not {len(sizes)}", example
        )
    return sorted(sizes)


def _run(
    name: str,
    lab: Lab,
    variants: list[Variant],
    load: Load,
    rounds: int | None,
    quick: bool,
    runtime: str,
    budget: Budget,
) -> RunResult:
    from scalelab.load.pool import Pool

    with _clusters(name, variants, runtime, budget) as clusters, Pool(load.workers) as pool:
        return _measure(name, lab, clusters, pool, load, rounds, quick)


def _sweep(
    name: str,
    lab: Lab,
    variants: list[Variant],
    load: Load,
    rounds: int | None,
    quick: bool,
    runtime: str,
    budget: Budget,
    sizes: list[int],
) -> Sweep:
    """A run for each number of clients, all on the same clusters."""
    from dataclasses import replace

    from scalelab import bench
    from scalelab.load.pool import Pool
    from scalelab.report.sweep import Sweep

    # In random order: a machine that grows hot, or a table that grows, must not look like a law.
    drawn = [int(size) for size in bench.order([str(size) for size in sizes], load.seed, -1)]
    done: dict[int, RunResult] = {}
    with _clusters(name, variants, runtime, budget) as clusters, Pool(load.workers) as pool:
        for place, size in enumerate(drawn, start=1):
            output.note(f"run {place} of {len(drawn)}: {size} clients")
            at = replace(load, clients=size)
            done[size] = _measure(name, lab, clusters, pool, at, rounds, quick)
            _keep(done[size])
    return Sweep("clients", {size: done[size] for size in sizes})


def _measure(
    name: str,
    lab: Lab,
    clusters: dict[str, Cluster],
    pool: Pool,
    load: Load,
    rounds: int | None,
    quick: bool,
) -> RunResult:
    from scalelab import bench, catalog
    from scalelab.report.progress import RunProgress

    with RunProgress(len(clusters)) as progress:
        return bench.run(
            name,
            lab,
            clusters,
            load,
            pool,
            catalog.workloads,
            rounds=rounds or (_QUICK_ROUNDS if quick else _ROUNDS),
            quick=quick,
            versions=_versions(clusters),
            progress=progress,
        )


@contextlib.contextmanager
def _clusters(
    lab: str, variants: list[Variant], runtime: str, budget: Budget
) -> Iterator[dict[str, Cluster]]:
    """Every variant's cluster, brought up where it is not up already and then taken down again."""
    from scalelab import catalog

    topologies = {v.name: catalog.topology(v.topology, v.params) for v in variants}
    chosen, why = config.choose_runtime(runtime, list(topologies.values()))
    if runtime == "auto":
        output.note(f"runtime: {chosen} ({why})")
    clusters = config.clusters()
    with contextlib.ExitStack() as stack:
        found: dict[str, Cluster] = {}
        for variant in variants:
            name = options.cluster_name(f"bench-{lab}-{variant.name}"[:40])
            with output.stderr().status(f"bringing {variant.name} up …"):
                taken = [cluster.name for cluster in found.values()]
                borrowed = clusters.borrowed(name, topologies[variant.name], chosen, budget, taken)
                found[variant.name] = stack.enter_context(borrowed)
        yield found


def _versions(clusters: Mapping[str, Cluster]) -> dict[str, str]:
    from scalelab import catalog

    used = list(clusters.values())
    names = {place.node.service for cluster in used for place in cluster.places.values()}
    if used[0].runtime == "local":
        return {name: catalog.services[name].version() for name in sorted(names)}
    return {
        place.node.service: str(cluster.handles[place.node.name].get("image", ""))
        for cluster in used
        for place in cluster.places.values()
    }


def _keep(result: RunResult) -> None:
    """Keep the run in the state folder; whatever hinders that must not lose it."""
    from scalelab.report import document

    try:
        name = config.runs().keep(document.dump(result), result.lab, result.started)
    except (EnvironmentLacks, ValueError) as error:
        output.note(f"this run is not kept: {error}")
    else:
        output.note(f"kept as {name}; see it again with: scalelab report")


def _print(result: RunResult, json: str | None, csv: str | None, html: str | None) -> None:
    from scalelab.report import document, table, table_csv

    if "-" not in (json, csv, html):
        console = output.stdout()
        console.print(table.render(result, console.width))
    for name, text in ((json, document.dump), (csv, table_csv.render), (html, _page)):
        if name:
            output.write(name, text(result), "the run is printed above")


def _page(result: RunResult) -> str:
    from scalelab.report import page

    return page.render(result)


def _print_sweep(sweep: Sweep, json: str | None) -> None:
    from scalelab.report import sweep as report

    if json != "-":
        console = output.stdout()
        console.print(report.render(sweep, console.width))
    if json:
        output.write(json, report.dump(sweep), "the sweep is printed above")


def _judge(lab: Lab, result: RunResult, limits: list[Threshold]) -> None:
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
    from scalelab.measure.summary import LIMIT_SHARE

    hints = []
    if metrics & CORRECTNESS:
        longer = max(10, 2 * result.load.duration_s)
        hints.append(f"look for longer: --duration {longer:g}")
    if metrics - CORRECTNESS:
        if not result.budgeted:
            hints.append("run it where CPU budgets are enforced (scalelab doctor tells how)")
        elif any(summary.error_share > MAX_ERRORS for summary in result.summaries):
            hints.append("end the errors first: scalelab logs NODE may tell why")
        elif any(summary.cpu_share >= LIMIT_SHARE for summary in result.summaries):
            hints.append(f"the load generator is the limit: --workers {result.load.workers + 1}")
        else:
            hints.append(f"run more rounds: --rounds {max(10, 2 * result.rounds)}")
    return "; ".join(hints)
