from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scalelab.load.schedule import poisson


@given(
    rate=st.floats(0.5, 5000),
    until=st.floats(0.01, 3),
    seed=st.lists(st.integers(0, 2**32), max_size=3),
)
def test_arrivals_rise_within_the_time_and_repeat(
    rate: float, until: float, seed: list[int]
) -> None:
    arrivals = list(poisson(rate, until, seed))
    assert arrivals == sorted(arrivals)
    assert all(0 <= arrival < until for arrival in arrivals)
    assert arrivals == list(poisson(rate, until, seed))


def test_another_seed_gives_other_arrivals() -> None:
    assert list(poisson(100, 1, (1, 0))) != list(poisson(100, 1, (1, 1)))


@pytest.mark.parametrize("rate", [20.0, 20_000.0])
def test_arrivals_are_poisson(rate: float) -> None:
    seconds = 10_000 / rate
    arrivals = np.array(list(poisson(rate, seconds, (3,))))
    gaps = np.diff(arrivals)
    assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > 0.01
    # Counts in equal intervals have a variance equal to their mean.
    counts = np.histogram(arrivals, bins=500, range=(0, seconds))[0]
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.2)
    # Gaps say nothing about the next gap.
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.04


def test_superposed_workers_give_the_whole_rate() -> None:
    counts = [len(list(poisson(250, 10, (1, worker)))) for worker in range(4)]
    assert sum(counts) == pytest.approx(10_000, rel=0.04)
