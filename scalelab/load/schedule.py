"""When requests of an open loop are due. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scalelab.model import ARRIVALS, Load, Stage

_BATCH = 4096

Floats = NDArray[np.float64]


def parts(load: Load) -> tuple[Stage, ...]:
    """The warm-up of an open loop, and then its stages (one where the rate never changes)."""
    assert load.rate is not None
    stages = load.stages or (Stage(load.rate, load.duration_s),)
    kept, left = [Stage(stages[0].rate, load.warmup_s)], load.duration_s
    for stage in stages:
        if left > 0:
            kept.append(Stage(stage.rate, min(stage.duration_s, left)))
            left -= stage.duration_s
    return tuple(kept)


def arrivals(
    kind: str, parts: Sequence[Stage], seed: Sequence[int], worker: int = 0, workers: int = 1
) -> Iterator[tuple[float, int]]:
    """One worker's share of the arrivals; the shares of all workers make the whole schedule.

    They are drawn at one a second and then mapped through the inverse of the cumulative rate,
    which makes a process of whatever rate (Çınlar, Introduction to Stochastic Processes, 1975).

    Parameters
    ----------
    kind : poisson (gaps are independent and exponentially distributed) or constant (workers take
        turns).
    parts : follow each other; their rates are those of all workers together.
    seed : the same numbers give the same arrivals; for a worker's alone, name it there.

    Yields
    ------
    Seconds from the start, rising and before the end of the last part; the number of the part.
    """
    ends = np.cumsum([0.0, *(part.duration_s for part in parts)])
    expected = np.cumsum([0.0, *(part.rate * part.duration_s / workers for part in parts)])
    before_end = np.nextafter(ends[-1], 0)
    for due in _KINDS[kind](seed, worker, workers):
        numbers = np.searchsorted(expected, due, side="right") - 1
        times = np.minimum(np.interp(due, expected, ends), before_end)
        within = int(np.searchsorted(due, expected[-1]))
        yield from zip(times[:within].tolist(), numbers[:within].tolist(), strict=True)
        if within < len(due):
            return


def _poisson(seed: Sequence[int], worker: int, workers: int) -> Iterator[Floats]:
    generator, last = np.random.default_rng(seed), 0.0
    while True:
        due: Floats = last + np.cumsum(generator.exponential(1, _BATCH))
        last = float(due[-1])
        yield due


def _constant(seed: Sequence[int], worker: int, workers: int) -> Iterator[Floats]:
    for first in itertools.count(0, _BATCH):
        yield np.arange(first, first + _BATCH, dtype=np.float64) + worker / workers


_KINDS: Mapping[str, Callable[[Sequence[int], int, int], Iterator[Floats]]] = {
    "poisson": _poisson,
    "constant": _constant,
}
assert tuple(_KINDS) == ARRIVALS
