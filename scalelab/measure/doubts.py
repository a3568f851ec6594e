"""What a reader should doubt about a run, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from scalelab.measure.statistics import MIN_ROUNDS
from scalelab.measure.summary import KEPT_UP, LIMIT_SHARE, WARN_SHARE, used
from scalelab.model import Load, Rehearsal, VariantSummary

STEAL = 0.05
"""Share of CPU time taken by the hypervisor from which figures are too low to trust."""

LATE_MS, LATE_SHARE = 1.0, 0.1
"""Send lag p99, or a wait for a client, worth a word: so many ms, and such a part of the p99."""


def doubts(
    summaries: Sequence[VariantSummary],
    load: Load,
    host: Mapping[str, str | int | float],
    *,
    rounds: int,
    quick: bool,
    budgeted: bool,
    overloaded: Collection[str],
    rehearsals: Iterable[Rehearsal] = (),
) -> tuple[str, ...]:
    """Every warning that this run deserves, the gravest first.

    Parameters
    ----------
    overloaded : variants that fell behind an open loop's arrivals.
    """
    return (
        *_generator(summaries),
        *_overload(summaries, overloaded),
        *_unsent(summaries, overloaded),
        *_clients(summaries, load),
        *_unsettled(rehearsals),
        *_errors(summaries),
        *_machine(load, host, budgeted),
        *_rounds(rounds, quick),
    )


def generator(summary: VariantSummary) -> str:
    """What speaks against the load generator as a fair measure of this variant, "" if nothing."""
    if summary.cpu_share >= summary.ceiling_share:
        busy = f"its busiest worker used {summary.cpu_share:.0%} of a core"
    else:
        busy = f"its busiest worker did {summary.ceiling_share:.0%} of what it can without a server"
    lag, tail = summary.send_lag_p99_ms, summary.p99_ms
    if used(summary) >= LIMIT_SHARE:
        return (
            f"limited by the load generator, the figure is invalid ({busy}): the servers can do "
            "more; try more --workers"
        )
    if used(summary) >= WARN_SHARE:
        return f"the load generator may distort the figure ({busy})"
    if tail is not None and _matters(lag, tail):
        return (
            f"the load generator ran late (send lag p99 {lag:.1f} ms) and latencies are too high "
            "by as much: this machine is short of CPU"
        )
    return ""


def _matters(part_ms: float, tail_ms: float) -> bool:
    return part_ms >= LATE_MS and part_ms >= LATE_SHARE * tail_ms


def _generator(summaries: Iterable[VariantSummary]) -> Iterator[str]:
    for summary in summaries:
        if doubt := generator(summary):
            yield f"{summary.name}: {doubt}"


def _overload(summaries: Iterable[VariantSummary], names: Collection[str]) -> Iterator[str]:
    for summary in summaries:
        if summary.name in names:
            behind = [str(n) for n, stage in enumerate(summary.stages, 1) if stage.overloaded]
            where = f" in stage {' and '.join(behind)}" if behind else ""
            planned = "operations" if behind else f"{summary.offered:,.0f} operations/s"
            unsent = f", {summary.unsent:,} of {summary.planned:,} never sent"
            yield (
                f"{summary.name}: overloaded{where}, less than {KEPT_UP:.0%} of the planned "
                f"{planned} were answered{unsent if summary.unsent else ''}; its percentiles are "
                "withheld"
            )


def _unsent(summaries: Iterable[VariantSummary], said: Collection[str]) -> Iterator[str]:
    for summary in summaries:
        if summary.unsent and summary.name not in said:
            yield (
                f"{summary.name}: {summary.unsent:,} of {summary.planned:,} planned operations "
                "were never sent, their slice ended first"
            )


def _clients(summaries: Iterable[VariantSummary], load: Load) -> Iterator[str]:
    """Where the number of clients, and not only the servers, made requests wait."""
    busy = f"all {load.clients} were" if load.clients > 1 else "the only one was"
    for summary in summaries:
        waited, tail = summary.client_wait_p99_ms, summary.p99_ms
        if waited is not None and tail is not None and _matters(waited, tail):
            yield (
                f"{summary.name}: requests waited for a free client (p99 {waited:,.0f} ms), {busy} "
                "busy: with more --clients the servers would have them sooner"
            )


def _unsettled(rehearsals: Iterable[Rehearsal]) -> Iterator[str]:
    for rehearsal in rehearsals:
        if rehearsal.settled is False:
            yield (
                f"{rehearsal.variant} had not settled after {rehearsal.driven_s:g} s of rehearsal: "
                "its throughput still changed"
            )


def _errors(summaries: Iterable[VariantSummary]) -> Iterator[str]:
    for summary in summaries:
        if summary.errors:
            kinds = sorted(summary.errors.items(), key=lambda item: -item[1])
            listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds[:3])
            more = f" and {len(kinds) - 3} more kinds" if len(kinds) > 3 else ""
            failed = sum(summary.errors.values())
            total = summary.operations + failed
            yield f"{summary.name}: {failed:,} of {total:,} operations failed: {listed}{more}"


def _machine(load: Load, host: Mapping[str, str | int | float], budgeted: bool) -> Iterator[str]:
    cpus, busy = host.get("cpus", 0), host.get("load_average_1min", 0.0)
    steal = host.get("steal_share", 0.0)
    if not budgeted:
        yield (
            "CPU budgets are not enforced here: all nodes share this machine's cores, so no "
            "scaling claim is judged"
        )
    if isinstance(cpus, int) and load.workers > cpus > 0 and "load_from" not in host:
        yield f"{load.workers} workers on {cpus} cores compete with each other and the servers"
    if isinstance(steal, float) and steal >= STEAL:
        yield f"other guests of this machine's host took {steal:.0%} of its CPU time (steal)"
    if isinstance(busy, float) and isinstance(cpus, int) and busy >= cpus > 0:
        yield f"the machine was busy before the run began (load average {busy:g} on {cpus} cores)"


def _rounds(rounds: int, quick: bool) -> Iterator[str]:
    if rounds < MIN_ROUNDS and not quick:
        yield f"a verdict takes {MIN_ROUNDS} rounds, this run had {rounds}"
