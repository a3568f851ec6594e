from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scalelab.load.schedule import arrivals, parts
from scalelab.model import ARRIVALS, Load, Stage

_WARMUP = Stage(100, 0)
STEPS = (_WARMUP, Stage(200, 2), Stage(800, 1), Stage(200, 2))


def times(kind: str, rate: float, seconds: float, seed: tuple[int, ...]) -> list[float]:
    return [at for at, _ in arrivals(kind, (Stage(rate, seconds),), seed)]


@given(
    kind=st.sampled_from(ARRIVALS),
    steps=st.lists(
        st.builds(Stage, st.floats(0.5, 3000), st.floats(0.01, 2)), min_size=1, max_size=4
    ),
    seed=st.lists(st.integers(0, 2**32), max_size=3),
)
def test_arrivals_rise_within_their_parts_and_repeat(
    kind: str, steps: list[Stage], seed: list[int]
) -> None:
    drawn = list(arrivals(kind, steps, seed))
    assert drawn == sorted(drawn)
    ends = list(itertools.accumulate(step.duration_s for step in steps))
    for at, number in drawn:
        assert ends[number] - steps[number].duration_s - 1e-9 <= at <= ends[number]
        assert 0 <= at < ends[-1]
    assert drawn == list(arrivals(kind, steps, seed))


def test_another_seed_gives_other_arrivals() -> None:
    assert times("poisson", 100, 1, (1, 0)) != times("poisson", 100, 1, (1, 1))


@pytest.mark.parametrize("rate", [20.0, 20_000.0])
def test_arrivals_are_poisson(rate: float) -> None:
    seconds = 10_000 / rate
    drawn = np.array(times("poisson", rate, seconds, (3,)))
    gaps = np.diff(drawn)
    assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > 0.01
    # Counts in equal intervals have a variance equal to their mean.
    counts = np.histogram(drawn, bins=500, range=(0, seconds))[0]
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.2)
    # Gaps say nothing about the next gap.
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.04


def test_every_stage_is_poisson_at_its_own_rate() -> None:
    steps = (Stage(2000, 2), Stage(8000, 1), Stage(500, 4))
    drawn = list(arrivals("poisson", steps, (5,)))
    for number, step in enumerate(steps):
        gaps = np.diff([at for at, part in drawn if part == number])
        assert len(gaps) == pytest.approx(step.rate * step.duration_s, rel=0.06)
        assert stats.kstest(gaps, "expon", args=(0, 1 / step.rate)).pvalue > 0.01


def test_superposed_workers_give_the_whole_rate() -> None:
    whole = (Stage(1000, 10),)
    counts = [len(list(arrivals("poisson", whole, (1, n), n, 4))) for n in range(4)]
    assert sum(counts) == pytest.approx(10_000, rel=0.04)


@pytest.mark.parametrize("workers", [1, 3])
def test_constant_arrivals_are_evenly_spaced_over_all_workers(workers: int) -> None:
    shares = [arrivals("constant", STEPS, (), n, workers) for n in range(workers)]
    drawn = sorted(each for share in shares for each in share)
    assert [part for _, part in drawn] == [1] * 400 + [2] * 800 + [3] * 400
    gaps = np.diff([at for at, _ in drawn])
    assert gaps[:399] == pytest.approx(1 / 200)
    assert gaps[400:1199] == pytest.approx(1 / 800)
    assert gaps[1200:] == pytest.approx(1 / 200)


def test_the_warm_up_is_at_the_rate_of_the_first_stage() -> None:
    load = Load(4, 400.0, 5.0, 1.5, 1, stages=STEPS[1:])
    assert parts(load) == (Stage(200, 1.5), *STEPS[1:])
    flat = Load(4, 400.0, 5.0, 1.5, 1)
    assert parts(flat) == (Stage(400, 1.5), Stage(400, 5))


def test_a_shorter_load_is_the_beginning_of_its_stages() -> None:
    load = Load(4, 400.0, 0.5, 0.0, 1, stages=STEPS[1:])
    assert parts(load) == (Stage(200, 0), Stage(200, 0.5))
    longer = Load(4, 400.0, 2.5, 0.0, 1, stages=STEPS[1:])
    assert parts(longer) == (Stage(200, 0), Stage(200, 2), Stage(800, 0.5))
