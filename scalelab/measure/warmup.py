"""Is a series of throughputs steady, and where does its warm-up end? Pure.

The statistic is MSER-5: K. P. White, "An effective truncation heuristic for bias reduction in
simulation output", Simulation 69(6), 1997; batches of five: K. P. White, M. Cobb, S. Spratt, "A
comparison of five steady-state truncation heuristics for simulation", Winter Simulation Conference
2000. The truncation point is the one that leaves the least squared standard error of the mean: to
cut a warm-up lowers it, to cut what is steady loses observations and raises it. A bin is a batch of
five ticks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scalelab.measure.statistics import MARGIN
from scalelab.model import TICK_S, Load, WorkerReport

BIN_S = 5 * TICK_S
MIN_BINS = 12
"""Fewer bins say nothing: any two of them may be alike by chance."""


def kept_at_least(count: int) -> int:
    """How many of so many bins are never cut."""
    return max(2, count // 4)


def truncation(bins: Sequence[float]) -> int:
    """How many bins at the start are warm-up: the d that minimizes MSER(d), the smallest of equals.

    MSER(d) is the sum of (x_i - mean_d)^2 over i >= d, divided by (n - d)^2. A quarter of the bins
    and at least two are kept: the very last are often alike by chance, and one has no spread.
    """
    series = np.asarray(bins, dtype=np.float64)
    n = len(series)
    kept = kept_at_least(n)
    if n <= kept:
        return 0
    errors = [series[d:].var() / (n - d) for d in range(n - kept + 1)]
    return int(np.argmin(errors))


def settled(bins: Sequence[float]) -> bool:
    """Whether the series has reached its steady state.

    It has when the truncation point lies in its first half: White's rule, since a later one is
    either chance or the end of a warm-up that may go on. Series here are short and noisy, so
    chance is ruled out: it has also settled when its second half is at one level before and after
    that point, within ``statistics.MARGIN``, which counts as the same anywhere else; or when its
    two halves are at one level, within two standard errors of their difference. Noise is taken
    from successive differences, which a change of level hardly enters: J. von Neumann et al., "The
    mean square successive difference", Annals of Mathematical Statistics 12(2), 1941.
    """
    if len(bins) < MIN_BINS:
        return False
    cut, half = truncation(bins), len(bins) // 2
    if cut <= half:
        return True
    series = np.asarray(bins, dtype=np.float64)
    before, after = sorted((series[half:cut].mean(), series[cut:].mean()))
    if after <= MARGIN * before:
        return True
    noise = np.square(np.diff(series)).mean() / 2 * (1 / half + 1 / (len(series) - half))
    return bool(abs(series[:half].mean() - series[half:].mean()) <= 2 * math.sqrt(noise))


def bins(reports: Sequence[WorkerReport], load: Load) -> list[float]:
    """Operations in each whole bin of a slice, over all workers and kinds, its warm-up cut."""
    batch = round(BIN_S / TICK_S)
    first = math.ceil(load.warmup_s / TICK_S)
    end = round((load.warmup_s + load.duration_s) / TICK_S)
    series = np.zeros(end)
    for ticks in (ticks for report in reports for ticks in report.timeline.values()):
        kept = ticks[:end]
        series[: len(kept)] += kept
    whole = (end - first) // batch * batch
    return [float(ticks.sum()) for ticks in series[first : first + whole].reshape(-1, batch)]
