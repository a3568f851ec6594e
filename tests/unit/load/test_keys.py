from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scalelab.errors import UsageError
from scalelab.load.keys import THETA, Keys


def draw(keys: Keys, size: int, *seed: int) -> np.ndarray:
    return np.array(list(islice(keys.stream(seed), size)))


@pytest.mark.parametrize("distribution", ["uniform", "zipfian", "ranked"])
@given(count=st.integers(1, 3000), seed=st.integers(0, 2**40))
def test_keys_lie_in_the_key_space_and_repeat(distribution: str, count: int, seed: int) -> None:
    drawn = draw(Keys(count, distribution), 500, seed, 1)
    assert drawn.min() >= 0
    assert drawn.max() < count
    assert (drawn == draw(Keys(count, distribution), 500, seed, 1)).all()


@pytest.mark.parametrize("distribution", ["uniform", "zipfian", "ranked"])
@given(workers=st.integers(1, 8), extra=st.integers(0, 500), seed=st.integers(0, 2**40))
def test_own_keys_are_this_workers_alone(
    distribution: str, workers: int, extra: int, seed: int
) -> None:
    keys = Keys(workers + extra, distribution)
    for worker in range(workers):
        drawn = np.array(list(islice(keys.own_stream((seed,), worker, workers), 200)))
        assert (drawn % workers == worker).all()
        assert drawn.min() >= 0
        assert drawn.max() < keys.count


def test_own_keys_of_all_workers_cover_the_key_space() -> None:
    keys = Keys(10, "uniform")
    drawn = {key for n in range(3) for key in islice(keys.own_stream((1,), n, 3), 500)}
    assert drawn == set(range(10))


def test_uniform_keys_are_uniform() -> None:
    counts = np.bincount(draw(Keys(100, "uniform"), 100_000, 5), minlength=100)
    assert stats.chisquare(counts).pvalue > 0.01


def test_zipfian_keys_follow_their_law_and_hot_ones_are_spread() -> None:
    drawn = draw(Keys(1000, "zipfian"), 200_000, 5)
    counts = np.bincount(drawn, minlength=1000)
    by_rank = np.sort(counts)[::-1]
    expected = np.arange(1, 1001.0) ** -THETA
    expected *= len(drawn) / expected.sum()
    assert by_rank[:20] == pytest.approx(expected[:20], rel=0.08)
    hottest = np.argsort(counts)[::-1][:50]
    # Spread over the key space: neither crowded at its start nor in one stripe.
    assert hottest.mean() == pytest.approx(500, abs=150)
    assert {int(key) % 4 for key in hottest} == {0, 1, 2, 3}


def test_hot_keys_are_the_same_for_every_worker_and_round() -> None:
    first, second = (draw(Keys(1000, "zipfian"), 20_000, seed) for seed in (1, 2))
    assert (first != second).any()
    assert np.bincount(first).argmax() == np.bincount(second).argmax()


def test_an_unknown_distribution_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'normal'"):
        Keys(10, "normal")


def test_ranked_keys_are_zipfian_with_the_most_popular_first() -> None:
    drawn = draw(Keys(1000, "ranked"), 200_000, 5)
    counts = np.bincount(drawn, minlength=1000)
    expected = np.arange(1, 1001.0) ** -THETA
    expected *= len(drawn) / expected.sum()
    assert counts[:20] == pytest.approx(expected[:20], rel=0.08)
