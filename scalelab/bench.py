"""One run, start to finish: variants, interleaved rounds, summaries, claims.

The clusters are up already (``cluster`` does that) and stay up; the load comes from a pool. Every
round drives each variant once, in an order drawn anew, so that no variant is always the first on
a cold machine or the last on a hot one. How many rounds there are is fixed before the first:
whoever adds rounds until a result is precise (or pleasing) finds differences that are not there.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from scalelab.errors import (
    CheckFailed,
    EnvironmentLacks,
    ScalelabError,
    UnknownName,
    UsageError,
    WorkerLost,
)
from scalelab.measure import claims, figures, host, metrics
from scalelab.measure.checkers.duplicates import Seen
from scalelab.measure.cost import COST, Prices
from scalelab.measure.doubts import doubts
from scalelab.measure.summary import overloaded, summarize
from scalelab.model import (
    Cluster,
    Lab,
    Load,
    Places,
    Rehearsal,
    RunResult,
    Slice,
    Struck,
    Variant,
    VariantSummary,
    WorkerReport,
)
from scalelab.protocols import AuditedWorkload, Workload
from scalelab.rehearsal import rehearse
from scalelab.timeline import Timeline

_MAX_LOST = 3
_Part = TypeVar("_Part")
_WHICH_NODE = "see which node is down with: scalelab status, and why with: scalelab logs NODE"


class Driver(Protocol):
    """What drives one slice: processes here (``load.pool``), or Dask workers (``load.remote``)."""

    where: str
    """Where the load comes from, in a few words; "" for this machine."""

    @property
    def workers(self) -> int:
        """How many workers there are."""

    def grow(self) -> bool:
        """Add a worker; False when there can be no more."""

    def noop_ceiling(self) -> float:
        """Requests a second that one worker can do without a server."""

    def run(
        self,
        places: Places,
        workload: str,
        options: Mapping[str, float | int | str | bool],
        load: Load,
    ) -> tuple[WorkerReport, ...]:
        """Drive a workload for one slice and return what each worker saw.

        Raises
        ------
        WorkerLost : a worker went; another slice can be driven.
        CheckFailed : the workload broke, or no worker is left.
        """

    def begun(self) -> float | None:
        """When the slice's measured time begins (``time.perf_counter``); None if not known."""

    def completed(self) -> int:
        """Operations completed in the slice so far; read from another thread."""


class Progress(Protocol):
    """Told what is going on (``report.progress``)."""

    def loading(self, variant: str) -> None:
        """The variant's schema and data are being made."""

    def rehearsing(self, variant: str, completed: Callable[[], int]) -> None:
        """A slice that does not count begins."""

    def slice(
        self, variant: str, round: int, rounds: int, load: Load, completed: Callable[[], int]
    ) -> None:
        """A slice begins; ``completed`` is its live counter."""

    def sliced(self, variant: str, round: int) -> None:
        """The slice has ended."""

    def discarded(self, why: str, slices: int) -> None:
        """What was driven counts for nothing; so many slices are done that count."""


class Silent:
    """Progress nobody sees."""

    def loading(self, variant: str) -> None: ...

    def rehearsing(self, variant: str, completed: Callable[[], int]) -> None: ...

    def slice(
        self, variant: str, round: int, rounds: int, load: Load, completed: Callable[[], int]
    ) -> None: ...

    def sliced(self, variant: str, round: int) -> None: ...

    def discarded(self, why: str, slices: int) -> None: ...


def run(
    lab_name: str,
    lab: Lab,
    clusters: Mapping[str, Cluster],
    load: Load,
    pool: Driver,
    workloads: Mapping[str, Workload],
    *,
    rounds: int = 5,
    quick: bool = False,
    brief: bool = False,
    aa: bool = False,
    timeline: Timeline | None = None,
    versions: Mapping[str, str] | None = None,
    prices: Prices | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Measure the variants of a lab against each other.

    Parameters
    ----------
    clusters : the cluster of each variant to run, in the order of the table, baseline first.
    load : of one slice; its seed also decides the order of the variants. The workers are the
        pool's, and a closed loop may end with more of them.
    workloads : by name (``catalog.workloads``).
    quick : a first look: no verdicts, no claims judged.
    brief : each variant is rehearsed once, not until it is steady.
    aa : the variants are one and the same, to see what is noise here.
    timeline : faults that strike variants in every slice.
    versions : of the servers, by service.
    prices : of machines, to say what throughput costs.

    Raises
    ------
    UsageError : a variant the lab does not have, a claim that makes no sense, no rounds.
    EnvironmentLacks : a workload's data could not be made.
    CheckFailed : a slice broke off, or a variant answered nothing at all in it.
    """
    variants = _chosen(lab, clusters)
    metrics.check(lab)
    if rounds < 1:
        raise UsageError(f"a run needs at least one round, not {rounds}", "try --rounds 5")
    progress = progress or Silent()
    started, facts, steal = time.time(), host.facts(), host.Steal()
    _load_data(variants, clusters, workloads, progress)
    if pool.where:
        facts["load_from"] = pool.where
    load = replace(load, workers=pool.workers)
    discarded = _Discarded(progress)
    ceiling = discarded.until_whole(pool.noop_ceiling, "the generator's no-op ceiling", 0)
    rehearsals, load = _rehearse(
        variants, clusters, load, pool, progress, discarded, brief=quick or brief
    )
    stage = _Stage(pool, lab.counted, variants, clusters, workloads, timeline, progress)
    stage.clear(load)
    slices: list[Slice] = []
    for number in range(rounds):
        # The same keys and arrivals for all variants of a round; others in the next.
        drawn = replace(load, seed=_derive(load.seed, "slice", number))
        names = order(list(variants), load.seed, number)
        drive = partial(stage.round, names, drawn, number, rounds)
        slices += discarded.until_whole(drive, f"round {number + 1}", len(slices))
    if (share := steal.share()) is not None:
        facts["steal_share"] = round(share, 4)
    summaries = summarize(lab, list(variants), slices, load, quick=quick, ceiling=ceiling)
    if prices is not None:
        facts["prices"] = f"{prices.currency} a month, by {prices.source}"
        summaries = tuple(_priced(each, variants, clusters, prices) for each in summaries)
    budgeted = all(clusters[name].budgeted for name in variants)
    behind = [n for n in variants if overloaded(load, (s for s in slices if s.variant == n))]
    first = clusters[next(iter(variants))]
    return RunResult(
        lab=lab_name,
        title=lab.title,
        counted=lab.counted,
        runtime=first.runtime,
        budget=first.budget.times(1 / next(iter(variants.values())).scale),
        budgeted=budgeted,
        load=load,
        rounds=rounds,
        order=tuple(tuple(order(list(variants), load.seed, number)) for number in range(rounds)),
        quick=quick,
        aa=aa,
        started=started,
        host=facts,
        versions=dict(versions or {}),
        noop_ceiling=ceiling,
        rehearsals=rehearsals,
        summaries=summaries,
        claims=claims.judge(lab, summaries, budgeted=budgeted, quick=quick),
        warnings=(
            *discarded.why,
            *_unequal(variants, clusters),
            *doubts(
                summaries,
                load,
                facts,
                rounds=rounds,
                quick=quick,
                budgeted=budgeted,
                overloaded=behind,
                rehearsals=rehearsals,
            ),
        ),
    )


@dataclass(frozen=True)
class _Stage:
    """Where slices are driven: what every round has in common."""

    pool: Driver
    counted: str
    variants: Mapping[str, Variant]
    clusters: Mapping[str, Cluster]
    workloads: Mapping[str, Workload]
    timeline: Timeline | None
    progress: Progress

    def round(self, names: Sequence[str], load: Load, number: int, rounds: int) -> list[Slice]:
        """One slice of each variant, in this order."""
        slices = []
        for place, name in enumerate(names):
            self.progress.slice(name, number, rounds, load, self.pool.completed)
            reports, struck = self._drive(name, load, f"round {number + 1}")
            self.progress.sliced(name, number)
            _must_answer(name, number, reports, self.counted)
            figures = self._figures(name, load, reports, struck)
            slices.append(Slice(name, number, place, reports, figures, tuple(struck)))
        return slices

    def _drive(
        self, name: str, load: Load, part: str
    ) -> tuple[tuple[WorkerReport, ...], list[Struck]]:
        variant, cluster = self.variants[name], self.clusters[name]
        if self.timeline is None:
            return _drive(self.pool, variant, cluster.places, load, part), []
        try:
            with self.timeline.during(name, cluster, self.pool.begun) as struck:
                reports = _drive(self.pool, variant, cluster.places, load, part)
        finally:
            self.timeline.restore(name, cluster)
        return reports, struck

    def _figures(
        self, name: str, load: Load, reports: Sequence[WorkerReport], struck: Sequence[Struck]
    ) -> dict[str, float]:
        """What checkers, timeline and the workload's own audit say of a slice."""
        said, found = self._audit(name, load)
        if struck:
            said |= figures.of_timeline(reports, self.counted, load.duration_s, struck)
        return {**said, **figures.of_checkers(reports, found)}

    def clear(self, load: Load) -> None:
        """Let the first slice that counts find what every other will: what an audit leaves."""
        for name in self.variants:
            self._audit(name, load)

    def _audit(self, name: str, load: Load) -> tuple[dict[str, float], Seen | None]:
        """The figures and the final read of a workload that looks at the servers itself."""
        variant = self.variants[name]
        workload, found = self.workloads[variant.workload], None
        if not isinstance(workload, AuditedWorkload):
            return {}, None
        try:
            audit = workload.audit(self.clusters[name].places, load)
            if audit.elements is not None:
                found = Seen()
                found.update(audit.elements)
        except Exception as error:  # whatever client library it uses
            raise CheckFailed(
                f"{name}: the audit of workload {variant.workload!r} failed: {_reason(error)}",
                _WHICH_NODE,
            ) from error
        return dict(audit.figures), found


class _Discarded:
    """Parts of the run that lost a load worker, and so were driven again.

    Attributes
    ----------
    why : a sentence for each.
    """

    def __init__(self, progress: Progress) -> None:
        self.why: list[str] = []
        self._progress = progress

    def until_whole(self, drive: Callable[[], _Part], part: str, slices: int) -> _Part:
        """Drive a part until no worker is lost in it.

        Parameters
        ----------
        slices : how many are done that count.

        Raises
        ------
        CheckFailed : too many workers were lost.
        """
        while True:
            try:
                return drive()
            except WorkerLost as loss:
                self.why.append(f"{part} was discarded and driven again: {loss.message}")
                if len(self.why) >= _MAX_LOST:
                    raise CheckFailed(
                        f"{_MAX_LOST} load workers were lost, the last one in {part}: "
                        f"{loss.message}",
                        loss.hint or "see the logs of the load workers",
                    ) from loss
                self._progress.discarded(self.why[-1], slices)


def order(names: Sequence[str], seed: int, round: int) -> list[str]:
    """All names in the random order of one round; the same seed and round, the same order."""
    drawn = list(names)
    random.Random(_derive(seed, "order", round)).shuffle(drawn)
    return drawn


def _derive(seed: int, purpose: str, round: int) -> int:
    """An independent 32-bit seed. A string seeds by its SHA-512, alike on every machine."""
    return random.Random(f"{seed}/{purpose}/{round}").getrandbits(32)


def _chosen(lab: Lab, clusters: Mapping[str, Cluster]) -> dict[str, Variant]:
    """The lab's variants that have a cluster, in the order of ``clusters``."""
    known = {variant.name: variant for variant in lab.variants}
    for name in clusters:
        if name not in known:
            raise UnknownName("variant", name, known)
    if not clusters:
        raise UsageError("there is no variant to run", f"variants: {', '.join(known)}")
    return {name: known[name] for name in clusters}


def _load_data(
    variants: Mapping[str, Variant],
    clusters: Mapping[str, Cluster],
    workloads: Mapping[str, Workload],
    progress: Progress,
) -> None:
    """Make every variant's schema and data, once a cluster and workload.

    Clusters side by side: what takes long is that servers load within their CPU budgets.
    """
    first: dict[str, dict[str, str]] = {}
    for name, variant in variants.items():
        first.setdefault(clusters[name].name, {}).setdefault(variant.workload, name)

    def load(names: Mapping[str, str]) -> None:
        for workload, name in names.items():
            progress.loading(name)
            _load_variant(name, variants[name], clusters[name], workloads[workload])

    pool = ThreadPoolExecutor(len(first))
    try:
        loads = [pool.submit(load, names) for names in first.values()]
        wait(loads, return_when=FIRST_EXCEPTION)
        for each in loads:
            if each.done():
                each.result()
    finally:
        # After an interrupt or an error the rest is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)


def _load_variant(name: str, variant: Variant, cluster: Cluster, workload: Workload) -> None:
    try:
        workload.load(cluster.places)
    except ScalelabError:
        raise
    except Exception as error:  # whatever client library a workload uses, users' own included
        raise EnvironmentLacks(
            f"{name}: the data of workload {variant.workload!r} could not be made: "
            f"{_reason(error)}",
            f"look at its servers with: scalelab status --name {cluster.name}",
        ) from error


def _rehearse(
    variants: Mapping[str, Variant],
    clusters: Mapping[str, Cluster],
    load: Load,
    pool: Driver,
    progress: Progress,
    discarded: _Discarded,
    *,
    brief: bool,
) -> tuple[tuple[Rehearsal, ...], Load]:
    """Every variant until it is steady, or once, and the load with the workers that took.

    A worker that a later variant needs serves all: every counted slice has the same number.
    """
    done: dict[tuple[str, str, str], Rehearsal] = {}
    seeds = partial(_derive, load.seed, "rehearsal")
    for name, variant in variants.items():
        # What was rehearsed under another name (A/A) is warm.
        key = (clusters[name].name, variant.workload, repr(sorted(variant.options.items())))
        if key in done:
            continue

        def drive(rehearsed: Load, name: str = name) -> tuple[WorkerReport, ...]:
            progress.rehearsing(name, pool.completed)
            places, part = clusters[name].places, f"the rehearsal of {name}"
            once = partial(_drive, pool, variants[name], places, rehearsed, "its rehearsal")
            return discarded.until_whole(once, part, 0)

        done[key], load = rehearse(
            name, load, drive, pool.grow, seeds, cores=host.cpus(), brief=brief
        )
    return tuple(done.values()), load


def _drive(
    pool: Driver, variant: Variant, places: Places, load: Load, part: str
) -> tuple[WorkerReport, ...]:
    """One slice; whatever breaks in it names the variant and the part of the run."""
    try:
        return pool.run(places, variant.workload, variant.options, load)
    except WorkerLost:
        raise
    except CheckFailed as error:
        raise CheckFailed(
            f"{variant.name} broke off in {part}: {_reason(error)}",
            error.hint or _WHICH_NODE,
            error.details,
        ) from error
    except ScalelabError:
        raise
    except Exception as error:  # such as a client library's, when a server is gone
        raise CheckFailed(
            f"{variant.name} broke off in {part}: {_reason(error)}", _WHICH_NODE
        ) from error


def _must_answer(name: str, round: int, reports: Sequence[WorkerReport], counted: str) -> None:
    """Raise when a slice completed nothing: whatever else the run measures would mean nothing."""
    if sum(report.counts.get(counted, 0) for report in reports) > 0:
        return
    errors = Counter[str]()
    for report in reports:
        errors.update(report.errors)
    if not errors:
        raise CheckFailed(
            f"{name} completed no {counted} in round {round + 1}",
            "give it more time with --duration, or more load with --clients or --rate",
        )
    kind, count = errors.most_common(1)[0]
    raise CheckFailed(
        f"{name} completed no {counted} in round {round + 1}: {count:,} of its "
        f"{errors.total():,} errors were {kind}",
        _WHICH_NODE,
    )


def _priced(
    summary: VariantSummary,
    variants: Mapping[str, Variant],
    clusters: Mapping[str, Cluster],
    prices: Prices,
) -> VariantSummary:
    """The summary with what its throughput costs, where every machine has a price."""
    sizes = [variants[summary.name].scale for _ in clusters[summary.name].places]
    found = prices.per_thousand(sizes, summary.throughput)
    if found is None:
        return summary
    return replace(summary, figures={**summary.figures, COST: found})


def _reason(error: Exception) -> str:
    """A foreign error in one line."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def _unequal(variants: Mapping[str, Variant], clusters: Mapping[str, Cluster]) -> list[str]:
    """A warning when the variants did not get the means that the lab gives them."""
    first, *_ = variants.values()
    base = clusters[first.name].budget.times(1 / first.scale)
    ran = {(clusters[name].runtime, clusters[name].budgeted) for name in variants}
    as_asked = all(
        clusters[name].budget == base.times(variant.scale) for name, variant in variants.items()
    )
    if len(ran) == 1 and as_asked:
        return []
    return ["the variants ran on different runtimes or node budgets: compare them with care"]
