"""Scaling laws against data of the literature, and against data made from known parameters."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.errors import UsageError
from scalelab.measure.scaling_law import Estimate, Law, amdahl, universal

# SPEC SDM91 of October 1994 on a Sun SPARCcenter 2000: simulated users, scripts per hour. From
# N. Gunther, "Guerrilla Capacity Planning", Springer 2007, as data set `specsdm91` of the R
# package usl (S. Moeding, github.com/smoeding/usl).
SPECSDM91 = [
    (1, 64.9),
    (18, 995.9),
    (36, 1652.4),
    (72, 1853.2),
    (108, 1828.9),
    (144, 1775.0),
    (216, 1702.2),
]
# Ray-geometry intersections on an SGI Origin 2000: processors, throughput. Same sources, data set
# `raytracer` (originally from the BRL-CAD benchmark).
RAYTRACER = [
    (1, 20.0),
    (4, 78.0),
    (8, 130.0),
    (12, 170.0),
    (16, 190.0),
    (20, 200.0),
    (24, 210.0),
    (28, 230.0),
    (32, 260.0),
    (48, 280.0),
    (64, 310.0),
]
SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)


def rounded(value, digits):
    return float(f"{value:.{digits}g}")


def made(single, contention, coherency, sizes=SIZES):
    return [(n, single * n / (1 + contention * (n - 1) + coherency * n * (n - 1))) for n in sizes]


def noisy(rng, share, *parameters, proportional=False):
    """Normal noise: a share of each throughput, or everywhere the same share of the highest."""
    exact = made(*parameters)
    highest = max(x for _, x in exact)
    return [
        (n, x + share * (x if proportional else highest) * rng.standard_normal()) for n, x in exact
    ]


def test_specsdm91_gives_the_published_fit_with_its_standard_errors():
    # README.md and tests/peak-scalability.R of the R package usl, version 3.
    found = universal(SPECSDM91)
    assert found.contention.value == pytest.approx(0.0277285, abs=1e-7)
    assert found.contention.error == pytest.approx(0.0091217, abs=2e-7)
    assert rounded(found.coherency.value, 4) == 0.0001044
    assert rounded(found.coherency.error, 3) == 0.0000199
    assert found.single.value == pytest.approx(89.9952330, rel=1e-6)
    assert found.single.error == pytest.approx(14.2134894, rel=1e-4)
    assert found.freedom == 4
    assert found.knee == pytest.approx(96.51956, rel=1e-4)
    assert found.throughput(found.knee) == pytest.approx(1884, abs=0.5)
    assert found.knee_is_sure


def test_raytracer_has_no_knee_as_published():
    # Vignette of the R package usl, version 3: the coherency is 0, and no maximum is reached.
    found = universal(RAYTRACER)
    assert found.coherency.value == 0
    assert found.knee is None
    assert not found.knee_is_sure
    without = amdahl(RAYTRACER)
    assert found.contention.value == pytest.approx(without.contention.value, rel=1e-6)
    assert found.single.value == pytest.approx(without.single.value, rel=1e-6)


def test_the_first_six_of_raytracer_lie_amid_the_published_intervals():
    # tests/confint.Rout.save of the R package usl: 95% intervals, symmetric about the estimates.
    found = universal(RAYTRACER[:6])
    for estimate, low, high in (
        (found.contention, 0.00754, 0.0414),
        (found.coherency, 0.0011, 0.00215),
        (found.single, 19.3, 22.4),
    ):
        assert estimate.value == pytest.approx((low + high) / 2, rel=0.01)


@pytest.mark.parametrize("proportional", [False, True])
@pytest.mark.parametrize(
    "parameters", [(950.0, 0.05, 0.0005), (20.0, 0.2, 0.002), (4e5, 0.01, 0.01), (7.0, 0.6, 0.0)]
)
def test_known_parameters_are_recovered_within_their_errors(parameters, proportional):
    rng = np.random.default_rng(7)
    runs = [
        universal(
            noisy(rng, 0.005, *parameters, proportional=proportional), proportional=proportional
        )
        for _ in range(100)
    ]
    for pick, truth in zip(("single", "contention", "coherency"), parameters, strict=True):
        found = [getattr(run, pick) for run in runs]
        # 95% of a t with 7 degrees of freedom; 88 of 100 leaves 3 standard errors for chance.
        near = [abs(each.value - truth) <= 2.365 * each.error for each in found]
        assert sum(near) >= 88, (pick, truth, sum(near))
        assert np.median([each.value for each in found]) == pytest.approx(truth, rel=0.1, abs=1e-3)


@pytest.mark.parametrize("proportional", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_amdahls_share_is_recovered_within_its_error(share, proportional):
    rng = np.random.default_rng(8)
    runs = [
        amdahl(
            noisy(rng, 0.01, 300.0, share, 0.0, proportional=proportional),
            proportional=proportional,
        ).contention
        for _ in range(200)
    ]
    near = [abs(run.value - share) <= 2.306 * run.error for run in runs]
    assert 0.9 <= np.mean(near) <= 0.99


def test_a_knee_that_may_be_noise_is_not_sure():
    rng = np.random.default_rng(9)
    runs = [universal(noisy(rng, 0.02, 100.0, 0.1, 0.0)) for _ in range(100)]
    assert sum(run.knee_is_sure for run in runs) <= 10
    runs = [universal(noisy(rng, 0.02, 100.0, 0.05, 0.002)) for _ in range(20)]
    assert all(run.knee_is_sure for run in runs)


@given(
    single=st.floats(0.01, 1e6),
    contention=st.floats(0, 0.9),
    coherency=st.just(0.0) | st.floats(1e-4, 0.1),
)
def test_without_noise_the_curve_is_found_again(single, contention, coherency):
    measured = made(single, contention, coherency)
    found = universal(measured)
    for n, throughput in measured:
        assert found.throughput(n) == pytest.approx(throughput, rel=1e-3)
    assert found.contention.value == pytest.approx(contention, abs=1e-3)
    assert found.coherency.value == pytest.approx(coherency, rel=1e-2, abs=1e-5)
    assert min(found.single.value, found.contention.value, found.coherency.value) >= 0


def test_the_knee_is_where_the_curve_is_highest():
    law = universal(made(100.0, 0.05, 0.002))
    assert law.knee == pytest.approx(math.sqrt(0.95 / 0.002), rel=1e-3)
    highest = max(range(1, 100), key=law.throughput)
    assert abs(highest - law.knee) <= 1
    falling = Law(Estimate(1.0, 0.1), Estimate(0.5, 0.1), Estimate(2.0, 0.1), 0.9, 3)
    assert falling.knee == 1


def test_the_universal_law_explains_no_less_than_amdahls():
    for measured in (SPECSDM91, RAYTRACER):
        assert universal(measured).r_squared >= amdahl(measured).r_squared - 1e-9
    assert universal(made(100.0, 0.05, 0.002)).r_squared == pytest.approx(1)
    assert amdahl(SPECSDM91).knee is None


@given(st.lists(st.floats(1, 1000), min_size=4, max_size=8), st.booleans())
def test_a_law_explains_no_less_than_a_constant(throughput, proportional):
    measured = [(2**place, each) for place, each in enumerate(throughput)]
    for law in (amdahl, universal):
        found = law(measured, proportional=proportional).r_squared
        assert found is None or found >= -1e-3
        assert found is None or found <= 1


def test_throughput_that_never_changes_is_all_contention():
    for law in (amdahl, universal):
        found = law([(n, 100.0) for n in (1, 2, 4, 8)])
        assert found.contention.value == pytest.approx(1, abs=1e-6)
        assert found.r_squared is None
        assert found.knee is None


@pytest.mark.parametrize(
    "measured",
    [
        [(1, 1e3), (2, 30.0), (4, 2.0), (8, 0.1)],  # collapses
        [(1, 1.0), (2, 4.0), (4, 16.0), (8, 64.0)],  # better than linear
        [(1, 5.0), (2, 1.0), (4, 9.0), (8, 2.0), (8, 30.0)],  # noise
    ],
)
def test_what_follows_no_law_is_no_crash(measured):
    for law in (amdahl, universal):
        found = law(measured)
        assert all(math.isfinite(found.throughput(n)) for n in (1, 3, 100))


def test_rounds_at_the_same_size_all_count():
    once = universal(SPECSDM91)
    twice = universal([*SPECSDM91, *reversed(SPECSDM91)])
    assert twice.contention.value == pytest.approx(once.contention.value, rel=1e-6)
    assert twice.freedom == 11
    assert twice.contention.error < once.contention.error


@pytest.mark.parametrize("law", [amdahl, universal])
def test_too_few_sizes_are_said(law):
    for measured in ([], SPECSDM91[:3], [*SPECSDM91[:3]] * 4):
        with pytest.raises(UsageError, match="at least 4 different N, not"):
            law(measured)


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ((0, 5.0), "begins at N = 1"),
        ((0.5, 5.0), "begins at N = 1"),
        ((math.nan, 5.0), "begins at N = 1"),
        ((300, 0.0), "throughput at N = 300 is 0"),
        ((300, math.inf), "throughput at N = 300 is inf"),
    ],
)
def test_what_is_no_measurement_is_refused(pair, says):
    with pytest.raises(UsageError, match=says):
        universal([*SPECSDM91, pair])
