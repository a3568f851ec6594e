"""When requests of an open loop are due. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_BATCH = 4096


def poisson(rate: float, until: float, seed: Sequence[int]) -> Iterator[float]:
    """Seeded Poisson arrivals: gaps are independent and exponentially distributed.

    Parameters
    ----------
    rate : arrivals a second, on average.
    until : seconds; arrivals lie in [0, until).
    seed : the same numbers give the same arrivals.

    Yields
    ------
    Seconds from the start, rising.
    """
    generator = np.random.default_rng(seed)
    last = 0.0
    while True:
        times = last + np.cumsum(generator.exponential(1 / rate, _BATCH))
        last = float(times[-1])
        yield from times[times < until].tolist()
        if last >= until:
            return
