"""MSER-5: by hand, on simulated warm-ups, and what holds of any series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure import warmup
from scalelab.model import Load
from tests import made_up

STEADY = 1000.0
SERIES = st.lists(st.integers(0, 10_000).map(float), max_size=40)


def mser(series, d):
    """White 1997, as it is written."""
    kept = series[d:]
    mean = sum(kept) / len(kept)
    return sum((x - mean) ** 2 for x in kept) / len(kept) ** 2


def simulated(bins, noise, shape, runs=500):
    """Bins of many runs; ``shape`` is the share of the steady level at time t, in bins."""
    rng = np.random.default_rng(7)
    level = STEADY * np.array([shape(t) for t in np.arange(bins) + 0.5])
    return (level * np.exp(rng.normal(0, noise, (runs, bins)))).tolist()


def warming(tau):
    """An exponential warm-up from 40% of the steady level."""
    return lambda t: 1 - 0.6 * np.exp(-t / tau)


def step(at, low=0.5):
    return lambda t: low if t < at else 1


def steady(t):
    return 1


def test_by_hand():
    # Squared deviations of all 72.0 over 25, without the first 2 over 16, and so on.
    series = [1.0, 9.0, 10.0, 11.0, 10.0]
    assert [round(mser(series, d), 4) for d in range(4)] == [2.6720, 0.1250, 0.0741, 0.1250]
    assert warmup.truncation(series) == 2


@given(SERIES)
def test_it_is_the_least_of_all_that_keep_enough(series):
    cut, last = warmup.truncation(series), len(series) - warmup.kept_at_least(len(series))
    if last <= 0:
        assert cut == 0
        return
    errors = [mser(series, d) for d in range(last + 1)]
    assert errors[cut] == pytest.approx(min(errors), rel=1e-9, abs=1e-6)


@given(SERIES, st.integers(0, 1000), st.sampled_from([0.5, 2.0, 1024.0]))
def test_neither_level_nor_unit_decides(series, level, unit):
    # Whole numbers and powers of two: exact, so that no rounding breaks a tie.
    cut = warmup.truncation(series)
    scaled = warmup.truncation([unit * x for x in series])
    moved = warmup.truncation([x + level for x in series])
    if len(series) > 2:
        assert mser(series, scaled) == pytest.approx(mser(series, cut), rel=1e-9, abs=1e-6)
        assert mser(series, moved) == pytest.approx(mser(series, cut), abs=1e-6)


@given(st.integers(0, 10**7).map(float), st.integers(0, 40))
def test_what_never_changes_is_settled_as_soon_as_there_are_bins(value, count):
    assert warmup.truncation([value] * count) == 0
    assert warmup.settled([value] * count) == (count >= warmup.MIN_BINS)


@pytest.mark.parametrize("at", [1, 3, 6, 9])
def test_a_step_is_cut_where_it_is(at):
    cuts = np.array([warmup.truncation(run) for run in simulated(20, 0.02, step(at))])
    # Never short of the step; chance cuts more now and then.
    assert cuts.min() == np.median(cuts) == at


@pytest.mark.parametrize(("tau", "least", "most"), [(0.5, 1, 4), (1, 2, 6), (2, 5, 10)])
def test_an_exponential_warm_up_is_cut_until_it_is_over(tau, least, most):
    runs = simulated(30, 0.02, warming(tau))
    cuts = [warmup.truncation(run) for run in runs]
    assert least <= np.median(cuts) <= most
    # What remains is unbiased: that is what the cut is for.
    kept = np.mean([np.mean(run[cut:]) for run, cut in zip(runs, cuts, strict=True)])
    assert kept == pytest.approx(STEADY, rel=0.01)


def settles_at(run):
    """When a rehearsal that is looked at with its time ends, None when never."""
    return next((n for n in (12, 18, 24, 30) if warmup.settled(run[:n])), None)


@pytest.mark.parametrize(("noise", "least"), [(0.0, 1), (0.02, 0.99), (0.1, 0.99), (0.2, 0.99)])
def test_steady_series_are_settled(noise, least):
    ended = [settles_at(run) for run in simulated(30, noise, steady)]
    assert np.mean([end is not None for end in ended]) >= least
    assert np.median([end for end in ended if end]) == 12


@pytest.mark.parametrize("tau", [2, 4])
def test_a_warm_up_is_waited_for(tau):
    runs = simulated(30, 0.02, warming(tau))
    ended = [settles_at(run) for run in runs]
    assert np.mean([end is None for end in ended]) < 0.05
    # The level when it is called settled is the one to stay.
    reached = np.mean([warming(tau)(end) for end in ended if end])
    assert reached > 0.97


@pytest.mark.parametrize(
    ("shape", "settled"),
    [
        (step(8), True),
        (step(14), False),
        (warming(12), False),
        (lambda t: 1 + 0.1 * t, False),
        (lambda t: 2 - 0.1 * t, False),
    ],
    ids=["early step", "late step", "slow warm-up", "growing", "shrinking"],
)
def test_what_still_changes_is_not_settled(shape, settled):
    said = [warmup.settled(run) for run in simulated(18, 0.01, shape)]
    assert np.mean(said) == pytest.approx(float(settled), abs=0.05)


def test_bins_are_of_all_workers_and_kinds_after_the_warm_up():
    reports = [
        made_up.report(timeline={"read": (9,) * 2 + (1,) * 11, "write": (0,) * 12 + (7,)}),
        made_up.report(timeline={"read": (9,) * 2 + (10,) * 5 + (20,)}),  # it stopped early
    ]
    load = Load(4, None, duration_s=1.0, warmup_s=0.2, seed=1)
    assert warmup.bins(reports, load) == [55, 25]
    short = Load(4, None, duration_s=0.9, warmup_s=0.2, seed=1)
    assert warmup.bins(reports, short) == [55]
    assert warmup.bins([], load) == [0, 0]
