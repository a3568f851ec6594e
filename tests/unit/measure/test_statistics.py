"""The statistics against hand-computed values, textbooks, and simulated runs."""

import math

import numpy as np
import pytest

from scalelab.measure import statistics

RUNS = 20_000


def rounds(seed, runs=RUNS, count=5, true_ratio=1.0):
    """Simulated throughputs of a baseline and a variant, shape (runs, rounds) each.

    Noise as a laptop has it: a machine that drifts from run to run and within it (random walk and
    a linear trend, up to tens of percent), shared by both slices of a round but for the little
    time that lies between them, whose sign the random order decides; and each slice's own noise.
    """
    rng = np.random.default_rng(seed)
    shape = (runs, count)
    walk = rng.normal(0, 0.05, shape).cumsum(axis=1)
    trend = rng.uniform(-0.3, 0.3, (runs, 1)) * np.linspace(0, 1, count)
    drift = rng.normal(0, 0.1, (runs, 1)) + walk + trend
    step = trend[:, 1:2] / 2 + rng.normal(0, 0.01, shape)
    first = rng.choice([-1, 1], shape)
    baseline = np.exp(drift - first * step / 2 + rng.normal(0, 0.03, shape))
    variant = true_ratio * np.exp(drift + first * step / 2 + rng.normal(0, 0.03, shape))
    return 10_000 * baseline, 10_000 * variant


def test_t_interval_by_hand():
    # Mean 3, s = sqrt(2.5), t(0.975, 4) = 2.776445: half width 2.776445 * sqrt(2.5 / 5).
    mean, low, high = statistics.t_interval([1, 2, 3, 4, 5])
    assert mean == 3
    assert low == pytest.approx(3 - 1.963243, abs=1e-6)
    assert high == pytest.approx(3 + 1.963243, abs=1e-6)


def test_t_interval_of_student_1908():
    # Student's own example, additional hours of sleep gained by ten patients: t = 4.06, p = 0.003.
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, low, high = statistics.t_interval(gained)
    assert mean == pytest.approx(1.58)
    assert (low, high) == pytest.approx((0.70, 2.46), abs=0.005)
    assert statistics.t_test(gained) == pytest.approx(0.00283, abs=5e-5)


def test_t_test_without_any_spread():
    assert statistics.t_test([0.0, 0.0, 0.0]) == 1
    assert statistics.t_test([0.5, 0.5, 0.5]) == 0


def test_geometric_mean():
    assert statistics.geometric_mean([1, 10, 100]) == pytest.approx(10)
    assert statistics.geometric_mean([4, 0.25]) == pytest.approx(1)


def test_mean_interval_of_few_rounds():
    assert statistics.mean_interval([]) == (0.0, None, None)
    assert statistics.mean_interval([7.0]) == (7.0, None, None)
    assert statistics.mean_interval([0.0, 100.0])[1] == 0


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("true_ratio", [1.0, 2.5])
def test_coverage(count, true_ratio):
    baseline, variant = rounds(seed=count, count=count, true_ratio=true_ratio)
    _, low, high = statistics.t_interval(np.log(variant) - np.log(baseline))
    covered = (low <= math.log(true_ratio)) & (math.log(true_ratio) <= high)
    assert 0.93 <= covered.mean() <= 0.97


def test_pairing_takes_the_drift_out():
    # Why rounds are paired: one variant's own interval is wider than that of the two's ratio.
    baseline, variant = rounds(seed=3, true_ratio=1.1)
    _, low, high = statistics.t_interval(np.log(variant) - np.log(baseline))
    _, alone_low, alone_high = statistics.t_interval(np.log(variant))
    assert np.median(alone_high - alone_low) > 1.5 * np.median(high - low)


def test_false_differences_in_aa_runs():
    baseline, variant = rounds(seed=8)
    p_values = statistics.t_test(np.log(variant) - np.log(baseline))
    assert (p_values < statistics.ALPHA).mean() <= 0.06


def test_false_differences_over_several_variants():
    # Three variants that are all the baseline: Holm holds the whole run to 5%.
    runs, wrong = 1500, 0
    rng = np.random.default_rng(11)
    for _ in range(runs):
        figures = 1000 * np.exp(rng.normal(0, 0.03, (4, 5)))
        found = statistics.compare(dict(zip("abcd", figures.tolist(), strict=True)))
        wrong += any(c and c.verdict in ("faster", "slower") for c in found.values())
    assert wrong / runs <= 0.06


def test_holm_by_hand():
    # Holm 1979: 0.01 * 4, 0.02 * 3, then 0.03 * 2 raised to the one before, 0.04 * 1 likewise.
    adjusted, levels = statistics.holm([0.03, 0.01, 0.04, 0.02])
    assert adjusted == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # 0.01 < 0.05/4 passes; 0.02 >= 0.05/3 fails, and those after it are held to its level.
    assert levels == pytest.approx([0.05 / 3, 0.05 / 4, 0.05 / 3, 0.05 / 3])


def test_holm_of_one_changes_nothing():
    assert statistics.holm([0.03]) == ([0.03], [0.05])


def test_interval_and_adjusted_p_value_never_disagree():
    rng = np.random.default_rng(5)
    for _ in range(300):
        effects = rng.choice([0, 0.02, 0.05, 0.1], (4, 1))
        figures = 1000 * np.exp(effects + rng.normal(0, 0.03, (4, 6)))
        for found in statistics.compare(dict(zip("abcd", figures.tolist(), strict=True))).values():
            if found is None:
                continue
            assert (found.low > 1 or found.high < 1) == (found.p_value < statistics.ALPHA)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.01, 1.02, "faster"),
        (2.35, 2.52, "faster"),
        (0.5, 0.99, "slower"),
        (0.96, 1.04, "same"),
        (1 / 1.05, 1.05, "same"),
        (0.95, 1.04, "inconclusive"),
        (0.9, 1.2, "inconclusive"),
        (0.99, 1.06, "inconclusive"),
    ],
)
def test_verdicts(low, high, said):
    assert statistics.verdict(low, high) == said


def test_swapping_the_variants_swaps_the_verdict():
    baseline, variant = [100, 103, 99, 101, 102], [150, 149, 155, 152, 151]
    there = statistics.compare({"a": baseline, "b": variant})["b"]
    back = statistics.compare({"b": variant, "a": baseline})["a"]
    assert (there.verdict, back.verdict) == ("faster", "slower")
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)


def test_no_verdict_from_few_rounds_or_a_quick_look():
    four = {"a": [100, 101, 102, 101], "b": [200, 201, 202, 205]}
    assert statistics.compare(four)["b"].verdict == ""
    assert statistics.compare(four)["b"].low > 1.9
    five = {name: [*values, values[0]] for name, values in four.items()}
    assert statistics.compare(five)["b"].verdict == "faster"
    assert statistics.compare(five, quick=True)["b"].verdict == ""


def test_one_round_has_a_ratio_and_no_interval():
    found = statistics.compare({"a": [100], "b": [250]})["b"]
    assert (found.ratio, found.low, found.p_value, found.verdict) == (
        pytest.approx(2.5),
        None,
        None,
        "",
    )


def test_the_same_figures_every_round_are_the_same():
    found = statistics.compare({"a": [100] * 5, "b": [100] * 5})["b"]
    assert (found.ratio, found.verdict, found.p_value) == (1, "same", 1)


def test_a_round_with_nothing_done_has_no_verdict():
    found = statistics.compare({"a": [100] * 5, "b": [100, 0, 100, 100, 100], "c": [200] * 5})
    assert found["b"].verdict == ""
    assert found["b"].low is None
    assert found["c"].verdict == "faster"
    assert statistics.compare({"a": [0.0] * 5, "b": [100] * 5})["b"] is None


def test_the_baseline_is_compared_with_nothing():
    assert statistics.compare({"a": [100] * 5}) == {"a": None}


@pytest.mark.parametrize(
    ("limited", "verdicts"),
    [
        ((), ("faster", "slower", "same")),
        (("b", "c", "d"), ("faster", "inconclusive", "inconclusive")),
        (("a",), ("inconclusive", "slower", "inconclusive")),
        (("a", "b", "c", "d"), ("inconclusive",) * 3),
    ],
)
def test_what_a_saturated_generator_leaves_known(limited, verdicts):
    # A capped variant may be faster than it looks, never slower.
    figures = {"a": [100, 101, 99, 100, 100.5], "b": [200] * 5, "c": [50] * 5, "d": [100] * 5}
    found = statistics.compare(figures, limited=limited)
    assert tuple(found[name].verdict for name in "bcd") == verdicts


def test_unpaired_is_welch():
    from scipy import stats

    now, then = [110.0, 132.0, 121.0], [100.0, 101.0, 99.0, 100.5, 99.5]
    ratio, low, high = statistics.unpaired(now, then)
    found = stats.ttest_ind(np.log(now), np.log(then), equal_var=False).confidence_interval()
    assert (low, high) == pytest.approx((np.exp(found.low), np.exp(found.high)))
    assert ratio == pytest.approx(statistics.geometric_mean(now) / statistics.geometric_mean(then))
    back = statistics.unpaired(then, now)
    assert back == pytest.approx((1 / ratio, 1 / high, 1 / low))


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ([2.0], [1.0, 1.0], (2, None, None)),
        ([2.0, 2.0], [1.0, 1.0], (2, 2, 2)),
        ([0.0, 3.0], [1.0, 2.0], (1, None, None)),
        ([1.0, 3.0], [0.0, 0.0], (0, None, None)),
        ([], [1.0], (0, None, None)),
    ],
)
def test_unpaired_at_its_edges(now, then, expected):
    assert statistics.unpaired(now, then) == pytest.approx(expected)


def test_unpaired_covers_what_it_says():
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(2000):
        now = rng.lognormal(sigma=0.08, size=5).tolist()
        then = rng.lognormal(sigma=0.02, size=7).tolist()
        _, low, high = statistics.unpaired(now, then)
        inside += low <= 1 <= high
    assert 0.93 <= inside / 2000 <= 0.97
