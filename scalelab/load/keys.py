"""Which keys are asked for. Seeded, and drawn in batches: a key costs tens of nanoseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scalelab.errors import UsageError

THETA = 0.99
"""The skew of the zipfian distribution, as in YCSB."""

_BATCH = 4096
_SCRAMBLE = 20_260_101

Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]


class Keys:
    """A distribution over [0, count). Made once a worker; sessions draw from it.

    Parameters
    ----------
    count : size of the key space. Zipfian keeps about 12 bytes for each.
    distribution : ``uniform``, or ``zipfian`` (the k-th most popular key is asked for k**-0.99 as
        often as the first). Popular keys are spread over the key space, the same way in each
        worker, round and variant. ``ranked`` is zipfian with the most popular keys first, as when
        few early customers do most of the business.
    """

    def __init__(self, count: int, distribution: str) -> None:
        self.count = count
        makers = {"uniform": _uniform, "zipfian": _zipfian, "ranked": _ranked}
        if distribution not in makers:
            raise UsageError(
                f"no key distribution {distribution!r}", f"use one of {', '.join(makers)}"
            )
        self._draw = makers[distribution](count)

    def stream(self, seed: Sequence[int]) -> Iterator[int]:
        """Keys without end; the same ``seed`` gives the same."""
        generator = np.random.default_rng(seed)
        while True:
            yield from self._draw(generator, _BATCH).tolist()

    def own_stream(self, seed: Sequence[int], worker: int, workers: int) -> Iterator[int]:
        """Keys that only this worker draws: every ``workers``-th, in the same distribution."""
        generator = np.random.default_rng(seed)
        while True:
            keys = self._draw(generator, _BATCH)
            keys += worker - keys % workers
            # The last stripe may be incomplete: what falls off the end goes one stripe back.
            keys[keys >= self.count] -= workers
            yield from keys.tolist()


def _uniform(count: int) -> Draw:
    return lambda generator, size: generator.integers(0, count, size)


def _ranked(count: int) -> Draw:
    cumulative = np.cumsum(np.arange(1, count + 1, dtype=float) ** -THETA)
    cumulative /= cumulative[-1]

    def draw(generator: np.random.Generator, size: int) -> NDArray[np.int64]:
        ranks = np.searchsorted(cumulative, generator.random(size), side="right")
        return np.minimum(ranks, count - 1)

    return draw


def _zipfian(count: int) -> Draw:
    ranked = _ranked(count)
    scrambled = np.random.default_rng(_SCRAMBLE).permutation(count).astype(np.int32)

    def draw(generator: np.random.Generator, size: int) -> NDArray[np.int64]:
        return scrambled[ranked(generator, size)].astype(np.int64)

    return draw
