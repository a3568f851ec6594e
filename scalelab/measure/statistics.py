"""Is a variant really faster, or was it noise? The unit is the round, never the request.

Requests of one slice share the state of the machine, so a million of them are still one
observation. Each round gives one ratio of a variant to the baseline; the verdict rests on the
spread of those ratios over the rounds.

Method
------
1. *Pairing.* Both slices of a ratio come from the same round, so that what drifts slowly (heat,
   neighbours, a growing table) is in both and cancels. Rounds run the variants in random order:
   A. Abedi, T. Brecht, "Conducting Repeatable Experiments in Highly Variable Cloud Computing
   Environments", ICPE 2017.
2. *Log-ratios*, so that twice as fast and half as fast weigh the same, and their mean is the log of
   the geometric mean: P. Fleming, J. Wallace, "How not to lie with statistics", CACM 29(3), 1986.
3. *Paired t interval* on the log-ratios, shown as a ratio (effect size with its interval, not a
   bare yes or no): T. Kalibera, R. Jones, "Rigorous benchmarking in reasonable time", ISMM 2013.
   Below 20 rounds t keeps its 95%; a percentile bootstrap covers 83% at five.
4. *Several variants*: S. Holm, "A simple sequentially rejective multiple test procedure", Scand.
   J. Statistics 6, 1979. With m variants sorted by p-value, the i-th (from 0) is tested at
   0.05/(m-i) until one fails; those after it are tested at the level of the one that failed.
   Each variant's *interval is made at the very level its Holm step tests at*, so it excludes 1
   exactly when Holm rejects: the figure shown and the verdict cannot disagree. It contains the
   plain 95% interval, hence covers at least 95%; with one variant besides the baseline they are
   the same.
5. *Same* needs proof too: the whole interval inside 1/1.05 .. 1.05. The margin is symmetric in
   logs, so that swapping the two variants never changes the verdict. (Two one-sided tests ask for
   a 90% interval, D. Schuirmann 1987; the wider one here errs towards "inconclusive".)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalelab.model import Comparison

ALPHA = 0.05
"""Chance of a false difference that a whole run is held to."""
MARGIN = 1.05
"""Ratios from 1/MARGIN to MARGIN count as the same."""
MIN_ROUNDS = 5
"""Fewer rounds give no verdict."""

Numbers = npt.NDArray[np.float64]


def t_interval(values: Any, alpha: Any = ALPHA) -> tuple[Numbers, Numbers, Numbers]:
    """Mean and its two-sided t interval along the last axis (Student, 1908).

    Parameters
    ----------
    values : at least two observations along the last axis; further axes are further samples.
    alpha : one minus the level, 0.05 for a 95% interval; a number, or one a sample.
    """
    from scipy.special import stdtrit  # not scipy.stats, which takes twice as long to import

    samples = np.asarray(values, dtype=np.float64)
    n = samples.shape[-1]
    mean = samples.mean(axis=-1)
    half = stdtrit(n - 1, 1 - np.asarray(alpha) / 2) * samples.std(axis=-1, ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half


def t_test(values: Any) -> Numbers:
    """Two-sided p-values of "the mean is 0" along the last axis; exact equality gives 0 or 1."""
    from scipy.special import stdtr

    samples = np.asarray(values, dtype=np.float64)
    n = samples.shape[-1]
    mean = samples.mean(axis=-1)
    error = samples.std(axis=-1, ddof=1) / math.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / error)
    return np.asarray(2 * stdtr(n - 1, -t))


def geometric_mean(values: Sequence[float]) -> float:
    """The mean that fits ratios; all values above 0."""
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def mean_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean of the rounds with its 95% interval, which needs two; no rounds are a mean of 0."""
    if not values:
        return 0.0, None, None
    if len(values) < 2:
        return values[0], None, None
    mean, low, high = t_interval(values)
    # A throughput below nothing is not a finding.
    return float(mean), max(0.0, float(low)), float(high)


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> tuple[list[float], list[float]]:
    """Adjusted p-values, and the level each test is held to, in the order given.

    An adjusted p-value is below ``alpha`` exactly when the raw one is below its level.
    """
    m = len(p_values)
    adjusted, levels = [1.0] * m, [alpha] * m
    highest, level, failed = 0.0, alpha, False
    for step, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        if not failed:
            level = alpha / (m - step)
            failed = p_values[index] >= level
        highest = max(highest, min(1.0, (m - step) * p_values[index]))
        adjusted[index], levels[index] = highest, level
    return adjusted, levels


def verdict(low: float, high: float) -> str:
    """What an interval of a ratio says: faster, slower, same or inconclusive."""
    if low > 1:
        return "faster"
    if high < 1:
        return "slower"
    if low >= 1 / MARGIN and high <= MARGIN:
        return "same"
    return "inconclusive"


def known(
    low: float, high: float, *, variant_limited: bool, baseline_limited: bool
) -> tuple[float, float]:
    """What is known of a ratio when the load generator, not the servers, may have been the limit.

    A limited variant could have been faster, so its ratio has no known upper end; a limited
    baseline leaves no known lower end.
    """
    return (0.0 if baseline_limited else low, math.inf if variant_limited else high)


def compare(
    by_round: Mapping[str, Sequence[float]],
    *,
    quick: bool = False,
    limited: Collection[str] = (),
) -> dict[str, Comparison | None]:
    """Every variant against the first.

    Parameters
    ----------
    by_round : throughput of each round, by variant; the baseline first, all equally long.
    quick : a look only: ratios without a verdict.
    limited : variants whose throughput the load generator may have capped.

    Returns
    -------
    By variant; None for the baseline, and where the baseline did nothing to compare with.
    """
    names = list(by_round)
    base, others = names[0], names[1:]
    result: dict[str, Comparison | None] = dict.fromkeys(names)
    testable = [name for name in others if _ratios_exist(by_round[base], by_round[name])]
    for name in others:
        if name not in testable and sum(by_round[base]) > 0:
            ratio = sum(by_round[name]) / sum(by_round[base])
            result[name] = Comparison(ratio, None, None, None, "")
    if not testable:
        return result
    logs = np.log([by_round[name] for name in testable]) - np.log(by_round[base])
    rounds = logs.shape[-1]
    if rounds < 2:
        for name, log in zip(testable, logs, strict=True):
            result[name] = Comparison(float(np.exp(log[0])), None, None, None, "")
        return result
    adjusted, levels = holm(t_test(logs).tolist())
    mean, low, high = (np.exp(bound) for bound in t_interval(logs, levels))
    for index, name in enumerate(testable):
        bounds = known(
            float(low[index]),
            float(high[index]),
            variant_limited=name in limited,
            baseline_limited=base in limited,
        )
        said = "" if quick or rounds < MIN_ROUNDS else verdict(*bounds)
        result[name] = Comparison(
            float(mean[index]), float(low[index]), float(high[index]), adjusted[index], said
        )
    return result


def unpaired(
    throughputs: Sequence[float], baseline: Sequence[float], alpha: float = ALPHA
) -> tuple[float, float | None, float | None]:
    """The ratio of two runs' throughputs, with its 95% interval.

    Rounds of different runs share no moment, so they are not paired: Welch's t interval of the
    difference of the two mean log throughputs, which takes neither equal spread nor equally many
    rounds for granted. B. Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", Biometrika 34, 1947; degrees of freedom after F.
    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2, 1946.

    The interval knows how rounds vary within a run. What differs between two runs whatever one
    changes (placement, neighbours, a server's start) is not in it: T. Kalibera, R. Jones, 2013.

    Returns
    -------
    Geometric mean ratio and its bounds, which need two rounds a side and no round without an
    answer; without them the plain ratio of the means, which is 0 over nothing.
    """
    from scipy.special import stdtrit

    if not throughputs or not baseline or min(*throughputs, *baseline) <= 0:
        below = sum(baseline) / max(len(baseline), 1)
        above = sum(throughputs) / max(len(throughputs), 1)
        return (above / below if below > 0 else 0.0), None, None
    logs = [np.log(np.asarray(each, dtype=np.float64)) for each in (throughputs, baseline)]
    difference = float(logs[0].mean() - logs[1].mean())
    if min(len(throughputs), len(baseline)) < 2:
        return math.exp(difference), None, None
    errors = [float(each.var(ddof=1)) / len(each) for each in logs]
    total = sum(errors)
    if total == 0:
        return math.exp(difference), math.exp(difference), math.exp(difference)
    # As shares of the whole, so that tiny variances do not vanish when squared.
    freedom = 1 / sum((e / total) ** 2 / (len(x) - 1) for e, x in zip(errors, logs, strict=True))
    half = float(stdtrit(freedom, 1 - alpha / 2)) * math.sqrt(total)
    return math.exp(difference), math.exp(difference - half), math.exp(difference + half)


def _ratios_exist(baseline: Sequence[float], variant: Sequence[float]) -> bool:
    """Whether every round has a ratio; a round in which one side did nothing has none."""
    return bool(baseline) and min(*baseline, *variant) > 0
