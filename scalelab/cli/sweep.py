"""``bench --sweep``: a run for each of several sizes, and the scaling law through them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scalelab.cli import output, running
from scalelab.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.model import RunResult
    from scalelab.report.sweep import Sweep

_SWEPT = ("clients",)
_MOST_CLIENTS = 10_000


def sweep(plan: running.Plan, text: str, json: str | None) -> None:
    """Make a run for each value of ``clients=1,2,4,8``, all on the same clusters, and print them.

    Raises
    ------
    UsageError : what is to be swept makes no sense.
    """
    _print(_sweep(plan, _sizes(text)), json)


def _sweep(plan: running.Plan, sizes: list[int]) -> Sweep:
    from scalelab import bench
    from scalelab.load.pool import Pool
    from scalelab.report.sweep import Sweep

    # In random order: a machine that grows hot, or a table that grows, must not look like a law.
    drawn = [int(size) for size in bench.order([str(size) for size in sizes], plan.load.seed, -1)]
    done: dict[int, RunResult] = {}
    with running.clusters(plan) as clusters, Pool(plan.load.workers) as pool:
        for place, size in enumerate(drawn, start=1):
            output.note(f"run {place} of {len(drawn)}: {size} clients")
            at = replace(plan, load=replace(plan.load, clients=size))
            done[size] = running.measure(at, clusters, pool)
            running.keep(done[size])
    return Sweep("clients", {size: done[size] for size in sizes})


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


def _print(sweep: Sweep, json: str | None) -> None:
    from scalelab.report import sweep as report

    if json != "-":
        console = output.stdout()
        console.print(report.render(sweep, console.width))
    if json:
        output.write(json, report.dump(sweep), "the sweep is printed above")
