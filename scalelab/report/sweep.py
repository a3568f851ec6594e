"""A sweep: one run for each size, the scaling laws through them, and both as JSON. Pure.

Each size counts once in the fit, with the mean of its rounds: rounds of one run share its data and
its moment, so they say little of what another run of this size would have given.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scalelab.errors import Inconclusive, UsageError
from scalelab.measure import doubts, scaling_law
from scalelab.measure.scaling_law import Estimate, Law
from scalelab.measure.summary import WARN_SHARE, used
from scalelab.model import Params, RunResult, VariantSummary
from scalelab.report import document, words

SCHEMA = "scalelab.sweep"
VERSION = 2


@dataclass(frozen=True)
class Shape:
    """The cluster a variant had in one run."""

    topology: str
    params: Params
    nodes: int


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Parameters
    ----------
    value : of what is varied.
    shapes : by variant.
    """

    value: float
    shapes: Mapping[str, Shape]
    run: RunResult


@dataclass(frozen=True)
class Laws:
    """Both laws through one variant's throughput; N is the value in units of the sweep's."""

    universal: Law
    amdahl: Law


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep, as far as it came.

    Parameters
    ----------
    parameter : what was varied: "clients", "nodes", "cpus", a parameter of topologies.
    unit : the value that is N = 1 of the laws: 1 of what is counted, else the smallest value.
    asked : the values it was to have, ascending.
    varied : the variants that have the parameter; the others are the same in each run.
    points : its runs by value, ascending; the same variants in each.
    """

    parameter: str
    unit: float
    asked: tuple[float, ...]
    varied: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def first(self) -> RunResult:
        """The run of the smallest value."""
        return self.points[0].run

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the variants, baseline first."""
        return tuple(summary.name for summary in self.first.summaries)

    @property
    def counted(self) -> str:
        """What the throughput counts, in the plural."""
        return words.plural(self.first.counted)

    @property
    def started(self) -> float:
        """When the first of its runs began, in seconds since the epoch."""
        return min(point.run.started for point in self.points)

    @property
    def last(self) -> float:
        """The largest value measured."""
        return self.points[-1].value

    @property
    def missing(self) -> tuple[float, ...]:
        """The values that were asked for and not measured: it broke off."""
        done = {point.value for point in self.points}
        return tuple(value for value in self.asked if value not in done)

    @property
    def clients_vary(self) -> bool:
        """Whether the clients grew with something else."""
        loads = {point.run.load.clients for point in self.points}
        return self.parameter != "clients" and len(loads) > 1

    def of(self, variant: str) -> dict[float, VariantSummary]:
        """One variant's figures by value."""
        return {
            point.value: next(each for each in point.run.summaries if each.name == variant)
            for point in self.points
        }

    def mean(self, variant: str) -> float:
        """The mean throughput over all runs: what there is to say of one that was not varied."""
        found = [summary.throughput for summary in self.of(variant).values()]
        return sum(found) / len(found)

    @functools.cached_property
    def laws(self) -> dict[str, Laws | None]:
        """The laws of each varied variant, None where there is none (see ``lawless``)."""
        return {name: self._laws(name) for name in self.varied}

    @property
    def lawless(self) -> str:
        """Why there is no law for any variant; "" where there may be."""
        if len(self.points) < scaling_law.MIN_SIZES:
            return f"a law needs at least {scaling_law.MIN_SIZES} different values"
        if self.parameter == "cpus" and not self.budgeted:
            return "CPU budgets are not enforced here, so nothing was varied"
        return ""

    @property
    def budgeted(self) -> bool:
        """Whether CPU budgets were enforced in every run."""
        return all(point.run.budgeted for point in self.points)

    def throughput(self, law: Law, value: float) -> float:
        """What a law expects at a value of the parameter."""
        return law.throughput(value / self.unit)

    def knee(self, law: Law) -> float | None:
        """The value of a law's highest throughput, None where it only flattens."""
        return None if law.knee is None else law.knee * self.unit

    def knee_is_sure(self, law: Law) -> bool:
        """Whether there is a knee beyond doubt: not from a quick look, nor without budgets."""
        quick = any(point.run.quick for point in self.points)
        return law.knee_is_sure and self.budgeted and not quick

    def warnings(self) -> Iterator[str]:
        """What to doubt, one sentence each."""
        if self.missing:
            listed = ", ".join(f"{words.number(value)}" for value in self.missing)
            yield f"it broke off: {self.parameter} {listed} not measured"
        for name in self.variants:
            near = [v for v, each in self.of(name).items() if used(each) >= WARN_SHARE]
            if near:
                listed = ", ".join(f"{words.number(value)}" for value in near)
                yield (
                    f"{name}: at {listed} {self.parameter} the load generator may have been the "
                    "limit, and the law its own; try more --workers"
                )
        if not self.budgeted:
            yield "CPU budgets are not enforced here: all nodes share the cores of this machine"
        runs = [point.run for point in self.points]
        steal = max(float(run.host.get("steal_share", 0.0)) for run in runs)
        if steal >= doubts.STEAL:
            share = f"{steal:.0%}"
            yield f"other guests of this machine's host took up to {share} of its CPU time (steal)"
        if any(summary.error_share > 0 for run in runs for summary in run.summaries):
            yield "some operations failed: --json has how many, of what kind and where"

    def _laws(self, variant: str) -> Laws | None:
        if self.lawless:
            return None
        pairs = [(v / self.unit, each.throughput) for v, each in self.of(variant).items()]
        try:
            return Laws(
                scaling_law.universal(pairs, proportional=True),
                scaling_law.amdahl(pairs, proportional=True),
            )
        except (Inconclusive, UsageError):  # no curve comes near; a throughput of 0
            return None


def dump(sweep: Sweep) -> str:
    """The sweep as a JSON document; every run in it is one of ``scalelab.run``."""
    built = {
        "schema": SCHEMA,
        "version": VERSION,
        "parameter": sweep.parameter,
        "unit": _number(sweep.unit),
        "asked": [_number(value) for value in sweep.asked],
        "varied": list(sweep.varied),
        "points": [
            {
                "value": _number(point.value),
                "shapes": document.plain(point.shapes),
                "run": document.build(point.run),
            }
            for point in sweep.points
        ],
        "laws": {
            name: laws
            and {"universal": _law(sweep, laws.universal), "amdahl": _law(sweep, laws.amdahl)}
            for name, laws in sweep.laws.items()
        },
    }
    return json.dumps(built, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load(text: str, source: str = "the report") -> Sweep:
    """The sweep in a document. Its laws are fitted anew: they follow from its runs.

    Parameters
    ----------
    source : what to call the document in an error (its file name).

    Raises
    ------
    UsageError : it is damaged, of another version, or not a scalelab sweep at all.
    """
    return read(document.opened(text, source), source)


def read(opened: dict[str, Any], source: str) -> Sweep:
    """The sweep in a document that is open; raises as ``load`` does."""
    body = document.versioned(opened, SCHEMA, VERSION, source)
    try:
        laws, points = body.pop("laws", None), body.get("points")
        if isinstance(points, list):
            body["points"] = [
                _open(point, f"{source}, points[{i}]") for i, point in enumerate(points)
            ]
        sweep = document.fit(Sweep, body)
        assert isinstance(sweep, Sweep)
        _must_agree(sweep)
        if not isinstance(laws, dict) or set(laws) != set(sweep.varied):
            raise document.Damaged("laws are not those of its varied variants")
    except document.Damaged as error:
        raise document.damaged(source, error) from None
    return sweep


def _open(point: Any, source: str) -> Any:
    """A point with its run read, which is a document of its own and must be one."""
    if not isinstance(point, dict) or not isinstance(point.get("run"), dict):
        return point
    return {**point, "run": document.plain(document.read(point["run"], source))}


def _must_agree(sweep: Sweep) -> None:
    """Raise Damaged where parts that fit the schema do not fit each other."""
    values = [point.value for point in sweep.points]
    if not values:
        raise document.Damaged("it has no points")
    for name, given in (("asked", list(sweep.asked)), ("points", values)):
        if given != sorted(set(given)):
            raise document.Damaged(f"{name} are not ascending")
    if not set(values) <= set(sweep.asked):
        raise document.Damaged("points has a value that was not asked for")
    if not 0 < sweep.unit <= sweep.asked[0] or not math.isfinite(sweep.asked[-1] / sweep.unit):
        raise document.Damaged(f"unit is {words.number(sweep.unit)}")
    names = sweep.variants
    if not sweep.varied or not set(sweep.varied) <= set(names):
        raise document.Damaged("varied are not of its variants")
    if len(set(sweep.varied)) < len(sweep.varied):
        raise document.Damaged("varied has a name twice")
    for index, point in enumerate(sweep.points):
        if tuple(summary.name for summary in point.run.summaries) != names:
            raise document.Damaged(f"points[{index}].run has other variants than the first")
        if set(point.shapes) != set(names):
            raise document.Damaged(f"points[{index}].shapes are not those of its variants")
        if (point.run.lab, point.run.counted) != (sweep.first.lab, sweep.first.counted):
            raise document.Damaged(f"points[{index}].run is of another lab than the first")


def _law(sweep: Sweep, law: Law) -> dict[str, Any]:
    def pair(key: str, estimate: Estimate, unit: str = "") -> dict[str, float | None]:
        return {f"{key}{unit}": estimate.value, f"{key}_error{unit}": estimate.error}

    return {
        **pair("single", law.single, "_per_s"),
        **pair("contention", law.contention),
        **pair("coherency", law.coherency),
        "r_squared": law.r_squared,
        "knee": sweep.knee(law),
        "knee_is_sure": sweep.knee_is_sure(law),
    }


def _number(value: float) -> float:
    """A whole number as one, so that a document has 4 and not 4.0 replicas."""
    return int(value) if value == int(value) else value
