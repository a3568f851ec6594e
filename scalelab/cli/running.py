"""A lab's clusters up, a run on them, and the run kept: what ``bench`` and its sweep share."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scalelab.cli import config, options, output
from scalelab.cli import rate as rates
from scalelab.errors import EnvironmentLacks, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.load.pool import Pool
    from scalelab.load.remote import Remote
    from scalelab.model import Budget, Cluster, Lab, Load, RunResult, Variant
    from scalelab.report.sweep import Sweep
    from scalelab.strokes import Stroke
    from scalelab.timeline import Timeline

_ROUNDS, _DURATION_S = 5, 3.0
_QUICK_ROUNDS, _QUICK_DURATION_S = 2, 1.0
_WARMUP_S = 0.5
_OPEN_LOOP_CLIENTS = 64


@dataclass(frozen=True)
class Plan:
    """A run as asked for.

    Parameters
    ----------
    name : the lab's.
    variants : those to run, baseline first.
    rounds, quick : as ``bench.run`` takes them.
    runtime : auto, local or docker.
    budget : of every node.
    workers : processes that make the load; None for one, and more while it is the limit.
    scheduler : the address of the Dask scheduler whose workers make the load; "" for processes
        here.
    aa : the variants are one and the same.
    faults : what strikes every variant that has its target, besides the variant's own.
    brief : every variant is rehearsed once, not until it is steady.
    """

    name: str
    lab: Lab
    variants: tuple[Variant, ...]
    load: Load
    rounds: int
    quick: bool
    runtime: str
    budget: Budget
    workers: int | None = None
    scheduler: str = ""
    aa: bool = False
    faults: tuple[str, ...] = ()
    brief: bool = False


def load(
    lab: Lab,
    *,
    duration: float | None,
    seed: int,
    workers: int,
    quick: bool,
    clients: int | None = None,
    rate: str | None = None,
    arrivals: str = "poisson",
) -> Load:
    """How hard each slice drives its variant; what is None is the lab's or the tool's default.

    Raises
    ------
    UsageError : out of range, or stages and a duration at once.
    """
    from scalelab.model import ARRIVALS, Load

    if arrivals not in ARRIVALS:
        raise UnknownName("kind of --arrivals", arrivals, ARRIVALS)
    planned, stages = rates.parse(rate) if rate is not None else (None, ())
    if stages and duration is not None:
        raise UsageError(
            "the stages of --rate say how long is measured, and so does --duration",
            "leave --duration out",
        )
    if duration is not None and not 0.1 <= duration <= 86_400:
        raise UsageError(f"--duration takes 0.1 to 86400 s, not {duration:g}", "--duration 3")
    seconds = duration or lab.duration_s or (_QUICK_DURATION_S if quick else _DURATION_S)
    if stages:
        seconds = sum(stage.duration_s for stage in stages)
    return Load(
        clients=clients or (lab.clients if rate is None else _OPEN_LOOP_CLIENTS),
        rate=planned,
        duration_s=seconds,
        warmup_s=_WARMUP_S,
        seed=seed,
        workers=workers,
        arrivals=arrivals,
        stages=stages if len(stages) > 1 else (),
    )


def rounds(wanted: int | None, quick: bool, lab: Lab, usual: int = _ROUNDS) -> int:
    """How many rounds: those wanted, the lab's own, or as many as usual."""
    return wanted or (_QUICK_ROUNDS if quick else lab.rounds or usual)


def run(plan: Plan) -> RunResult:
    """One run from nothing: clusters up where they are not, measured, down again."""
    # The load first: workers that are not there are told of before any server is started.
    with pool(plan) as workers, clusters(plan) as up:
        return measure(plan, up, workers)


def measure(plan: Plan, clusters: Mapping[str, Cluster], pool: Pool | Remote) -> RunResult:
    """One run on clusters that are up."""
    from scalelab import bench, catalog
    from scalelab.report.progress import RunProgress

    with RunProgress(len(clusters)) as progress:
        result = bench.run(
            plan.name,
            plan.lab,
            clusters,
            plan.load,
            pool,
            catalog.workloads,
            rounds=plan.rounds,
            quick=plan.quick,
            brief=plan.brief,
            aa=plan.aa,
            timeline=_timeline(plan),
            versions=_versions(clusters),
            prices=catalog.prices(plan.lab),
            progress=progress,
        )
    return replace(result, warnings=(*result.warnings, *_faults(clusters)))


def strokes(plan: Plan) -> dict[str, list[Stroke]]:
    """What strikes each variant, by its name.

    Raises
    ------
    UsageError : it is said wrongly, or no variant has its target, or nobody knows when the measured
        time of Dask workers begins.
    """
    from scalelab import catalog, strokes
    from scalelab.model import LEADER

    asked = [strokes.parse(text, catalog.faults) for text in plan.faults]
    found: dict[str, list[Stroke]] = {}
    hit: set[str] = set()
    known: set[str] = set()
    for variant in plan.variants:
        topology = catalog.topology(variant.topology, variant.params)
        nodes = {LEADER, *(node.name for node in topology.nodes)}
        known |= nodes
        mine = [stroke for stroke in asked if nodes.issuperset(stroke.nodes)]
        hit.update(stroke.text for stroke in mine)
        own = [strokes.parse(text, catalog.faults) for text in variant.faults]
        if own or mine:
            found[variant.name] = [*own, *mine]
    for stroke in asked:
        if stroke.text not in hit:
            raise UnknownName(f"node of {plan.name}", stroke.target, known)
    for stroke in (each for listed in found.values() for each in listed):
        if stroke.kind != strokes.PROMOTE:
            catalog.faults[stroke.kind].require(plan.budget)
        if stroke.at_s >= plan.load.duration_s:
            raise UsageError(
                f"{stroke.text!r} would be after the slice's {plan.load.duration_s:g} s",
                f"measure longer: --duration {stroke.at_s + 3:g}",
            )
    if found and plan.scheduler:
        raise UsageError(
            "faults on a timeline need load workers on this machine", "leave --workers tcp:// out"
        )
    return found


def _timeline(plan: Plan) -> Timeline | None:
    found = strokes(plan)
    if not found:
        return None
    from scalelab.timeline import Timeline

    return Timeline(found, config.injector(), config.clusters())


def _faults(clusters: Mapping[str, Cluster]) -> Iterator[str]:
    """What was broken on purpose, before the run or during it: a result must not be mistaken."""
    from scalelab import catalog

    for variant, cluster in clusters.items():
        now = config.ledger().read(cluster.name) or cluster
        for fault in {f.id: f for f in (*cluster.faults, *now.faults)}.values():
            words = catalog.faults[fault.kind].words(fault)
            yield f"{variant}: {fault.word} of {fault.target} was on ({words})"


def pool(plan: Plan) -> Pool | Remote:
    """The workers of a plan, to be entered; those of "auto" may become as many as the cores."""
    if plan.scheduler:
        from scalelab.load.remote import Remote

        return Remote(plan.scheduler)
    from scalelab.load.pool import Pool
    from scalelab.measure import host

    return Pool(1, most=host.cpus()) if plan.workers is None else Pool(plan.workers)


def choose_runtime(plan: Plan) -> str:
    """The runtime to use, said where the user left it open."""
    from scalelab import catalog

    topologies = [catalog.topology(v.topology, v.params) for v in plan.variants]
    chosen, why = config.choose_runtime(plan.runtime, topologies)
    if plan.runtime == "auto":
        output.note(f"runtime: {chosen} ({why})")
    return chosen


@contextlib.contextmanager
def clusters(plan: Plan, taken: Collection[str] = ()) -> Iterator[dict[str, Cluster]]:
    """Every variant's cluster, brought up where it is not up already and then taken down again.

    Parameters
    ----------
    taken : names of clusters in use for other variants.
    """
    from scalelab import catalog

    for variant in plan.variants:
        catalog.workloads[variant.workload]  # what is wrong with it is said before anything starts
    runtime, clusters = choose_runtime(plan), config.clusters()
    with contextlib.ExitStack() as stack:
        found: dict[str, Cluster] = {}
        for number, variant in enumerate(plan.variants):
            earlier = plan.variants[:number]
            same = next((each for each in earlier if _share(plan, each, variant)), None)
            if same is not None:
                found[variant.name] = found[same.name]
                continue
            name = f"bench-{plan.name}-{variant.name}".replace("/", "-")
            name = options.cluster_name(name[:40])
            with output.stderr().status(f"bringing {variant.name} up …"):
                in_use = [*taken, *(cluster.name for cluster in found.values())]
                topology = catalog.topology(variant.topology, variant.params)
                budget = plan.budget.times(variant.scale)
                borrowed = clusters.borrowed(name, topology, runtime, budget, in_use)
                found[variant.name] = stack.enter_context(borrowed)
        yield found


def _share(plan: Plan, one: Variant, other: Variant) -> bool:
    """Whether the two run on one cluster: a variant and itself, or alike and the lab says so."""
    from scalelab import catalog

    if plan.aa or not plan.lab.shared:
        return plan.aa
    mine, theirs = (catalog.topology(each.topology, each.params) for each in (one, other))
    return mine == theirs and one.scale == other.scale


def keep(result: RunResult) -> str | None:
    """Keep the run in the state folder and return its name; what hinders that loses nothing."""
    from scalelab.report import document

    try:
        name = config.runs().keep(document.dump(result), result.lab, result.started)
    except (EnvironmentLacks, ValueError) as error:
        output.note(f"this run is not kept: {error}")
        return None
    output.note(f"kept as {name}; see it again with: scalelab report")
    return name


def show(
    result: RunResult | Sweep, json: str | None, csv: str | None, html: str | None, what: str
) -> None:
    """Print a run or a sweep, and write it where it was asked for.

    Parameters
    ----------
    json, csv, html : files; "-" is stdout, which is then for it alone.
    what : what it is called.

    Raises
    ------
    EnvironmentLacks : some of it could not be written; all that could is.
    """
    from scalelab.report import forms

    if "-" not in (json, csv, html):
        console = output.stdout()
        console.print(forms.terminal(result, console.width))
    failed = []
    for name, text in ((json, forms.json), (csv, forms.csv), (html, forms.page)):
        if name:
            try:
                output.write(name, text(result), "")
            except EnvironmentLacks as error:
                failed.append(error.message)
    if failed:
        raise EnvironmentLacks("; ".join(failed), f"the {what} is printed above")


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
