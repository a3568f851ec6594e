"""``bench --sweep``: a run for each of several sizes, and the scaling laws through them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scalelab.cli import config, output, running
from scalelab.errors import EnvironmentLacks, ScalelabError, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster
    from scalelab.report.sweep import Point, Shape, Sweep

CLIENTS, CPUS = "clients", "cpus"
_MOST = {CLIENTS: 10_000, "nodes": 1_000}
_MOST_DIGITS = 9


@dataclass(frozen=True)
class _Steps:
    """A sweep to be made.

    Parameters
    ----------
    unit : the value that is N = 1 of the laws.
    varied : the variants that have the key.
    moved : of them, those that need a cluster of their own for each value.
    plans : the run at each value, ascending.
    """

    key: str
    unit: float
    varied: tuple[str, ...]
    moved: tuple[str, ...]
    plans: Mapping[float, running.Plan]


def sweep(
    plan: running.Plan, text: str, json: str | None, csv: str | None, html: str | None
) -> None:
    """Make a run for each value of ``clients=1,2,4,8`` and print what came out.

    A sweep that breaks off prints what it has measured so far and ends with what broke it.

    Raises
    ------
    UsageError : what is to be swept makes no sense; nothing has been started then.
    """
    from scalelab.report.sweep import Sweep

    steps = _steps(plan, text)
    points: list[Point] = []

    def swept() -> Sweep:
        ascending = tuple(sorted(points, key=lambda point: point.value))
        return Sweep(steps.key, steps.unit, tuple(steps.plans), steps.varied, ascending)

    keeper = _Keeper()
    try:
        with contextlib.closing(_points(steps)) as found:
            for point in found:
                points.append(point)
                keeper.keep(swept())
    except BaseException:
        if points:
            with contextlib.suppress(ScalelabError):  # what ended the sweep is to be said, not this
                keeper.say()
                running.show(swept(), json, csv, html, "sweep")
        raise
    keeper.say()
    running.show(swept(), json, csv, html, "sweep")


def _points(steps: _Steps) -> Generator[Point, None, None]:
    """Run after run, each kept by who asks before the next begins."""
    from scalelab import bench
    from scalelab.report.sweep import Point

    # In random order: a machine that grows hot, or a table that grows, must not look like a law.
    words = {str(value): value for value in steps.plans}
    plans = list(steps.plans.values())
    drawn = bench.order(list(words), plans[0].load.seed, -1)
    runtime = running.choose_runtime(plans[-1])
    names = [variant.name for variant in plans[0].variants]
    resting = _only(plans[0], [name for name in names if name not in steps.moved], runtime)
    with running.pool(plans[0]) as pool, running.clusters(resting) as rest:
        taken = [cluster.name for cluster in rest.values()]
        for place, word in enumerate(drawn, start=1):
            output.note(f"run {place} of {len(drawn)}: {word} {steps.key}")
            value, plan = words[word], steps.plans[words[word]]
            with running.clusters(_only(plan, steps.moved, runtime), taken) as moved:
                up = {name: rest[name] if name in rest else moved[name] for name in names}
                run = running.measure(plan, up, pool)
                yield Point(value, {name: _shape(cluster) for name, cluster in up.items()}, run)


def _shape(cluster: Cluster) -> Shape:
    from scalelab.report.sweep import Shape

    topology = cluster.topology
    return Shape(topology.name, dict(topology.params), len(cluster.places))


def _only(plan: running.Plan, names: Collection[str], runtime: str) -> running.Plan:
    """The plan for some of its variants, on a runtime that is chosen."""
    variants = tuple(variant for variant in plan.variants if variant.name in names)
    return replace(plan, variants=variants, runtime=runtime)


def key_of(text: str) -> str:
    """The key of ``key=1,2,4,8``."""
    return text.partition("=")[0].strip()


def _steps(plan: running.Plan, text: str) -> _Steps:
    from scalelab import sizing

    sized = sizing.keys(plan.variants)
    key, values = _values(text, plan.name, {CLIENTS, CPUS, *sized})
    everyone = tuple(variant.name for variant in plan.variants)
    if key == CLIENTS:
        loads = {value: replace(plan.load, clients=int(value)) for value in values}
        plans = {value: replace(plan, load=load) for value, load in loads.items()}
        return _Steps(key, 1, everyone, (), plans)
    if key == CPUS:
        budgets = {value: replace(plan.budget, cpus=value) for value in values}
        plans = {value: replace(plan, budget=budget) for value, budget in budgets.items()}
        return _Steps(key, values[0], everyone, everyone, plans)
    varied = tuple(v.name for v in plan.variants if sizing.has(v, key))
    # A claim is about the size the lab declares.
    claims = tuple(claim for claim in plan.lab.claims if claim.variant not in varied)
    plan = replace(plan, lab=replace(plan.lab, claims=claims))
    plans = {v: replace(plan, variants=sizing.resize(plan.variants, key, int(v))) for v in values}
    kept = [variant.name for variant in plans[values[0]].variants]
    if same := [name for name in everyone if name not in kept]:
        output.note(f"left out, the same as another once {key} is varied: {', '.join(same)}")
    varied = tuple(name for name in varied if name in kept)
    if sized[key]:
        plans = _as_much_a_node(plans, varied)
    return _Steps(key, 1 if sized[key] else values[0], varied, varied, plans)


def _as_much_a_node(
    plans: Mapping[float, running.Plan], varied: Collection[str]
) -> dict[float, running.Plan]:
    """The plans with clients that grow with the nodes of what is varied.

    With the same clients for more nodes, nodes would wait for clients, and the law would be that
    of the clients. N. Gunther, "Guerrilla Capacity Planning", Springer 2007, chapter 4: hardware
    is scaled with as many users a processor.
    """
    from scalelab import sizing

    most = [
        max(sizing.count(variant) for variant in plan.variants if variant.name in varied)
        for plan in plans.values()
    ]
    loads = [
        replace(plan.load, clients=round(plan.load.clients * nodes / most[0]))
        for plan, nodes in zip(plans.values(), most, strict=True)
    ]
    return {
        value: replace(plan, load=load)
        for (value, plan), load in zip(plans.items(), loads, strict=True)
    }


def _values(text: str, lab: str, known: Collection[str]) -> tuple[str, list[float]]:
    """The key, and its values ascending."""
    from scalelab.measure.scaling_law import MIN_SIZES

    key, (_, equals, listed) = key_of(text), text.partition("=")
    if key not in known:
        raise UnknownName(f"sweep parameter of {lab}", key, known)
    example = f"such as: --sweep {key}={'0.1,0.2,0.4,0.8' if key == CPUS else '1,2,4,8'}"
    if not equals:
        raise UsageError(f"--sweep {text!r} has no values", example)
    read = _cores if key == CPUS else _whole
    values = [read(key, word.strip(), example) for word in listed.split(",")]
    if twice := [value for value in values if values.count(value) > 1]:
        raise UsageError(f"--sweep {text!r} names {twice[0]:.12g} twice", "leave one of them out")
    if len(values) < MIN_SIZES:
        raise UsageError(
            f"a scaling law needs at least {MIN_SIZES} different values, not {len(values)}", example
        )
    return key, sorted(values)


def _whole(key: str, word: str, example: str) -> float:
    most = _MOST.get(key, 10**_MOST_DIGITS - 1)
    short = word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS
    if not (short and 1 <= int(word) <= most):
        raise UsageError(
            f"--sweep {key} takes whole numbers from 1 to {most:,}, not {word!r}", example
        )
    return int(word)


def _cores(key: str, word: str, example: str) -> float:
    with contextlib.suppress(ValueError):
        if 0.01 <= (cores := float(word)) <= 1024:
            return cores
    raise UsageError(f"--sweep {key} takes cores from 0.01 to 1,024, not {word!r}", example)


class _Keeper:
    """Keeps a sweep in the state folder as it grows; whatever hinders that must not lose it."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._why = ""

    def keep(self, sweep: Sweep) -> None:
        from scalelab.report import sweep as report

        runs = config.runs()
        try:
            text = report.dump(sweep)
            if self._name is None:
                self._name = runs.keep(text, sweep.first.lab, sweep.started)
            else:
                runs.replace(self._name, text)
        except (EnvironmentLacks, ValueError) as error:
            self._why = str(error)

    def say(self) -> None:
        """Say what it is kept as, or why it is not."""
        if self._why:
            output.note(f"this sweep is not kept: {self._why}")
        elif self._name:
            output.note(f"kept as {self._name}; see it again with: scalelab report")
