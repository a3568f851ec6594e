"""Claims judged by intervals, figures, and only where they may be."""

import dataclasses

import pytest

from scalelab.measure import claims, statistics
from scalelab.model import Claim, Comparison, Lab, Variant, VariantSummary

VARIANTS = (Variant("a", "single", "w"), Variant("b", "single", "w"))


def summary(name, low=None, high=None, **changed):
    comparison = Comparison((low + high) / 2, low, high, 0.01, "faster") if low else None
    fields = dict.fromkeys(field.name for field in dataclasses.fields(VariantSummary))
    fields |= {
        "name": name,
        "by_round": (1.0,) * 5,
        "cpu_share": 0.5,
        "ceiling_share": 0.1,
        "comparison": comparison,
    }
    fields |= {"judged": 100, "stale": 0, "stale_share": 0.0, "p99_ms": 3.0, "error_share": 0.0}
    return VariantSummary(**{**fields, **changed})


def judge(claim, variant, baseline=None, budgeted=True, quick=False):
    lab = Lab("t", "q", "read", VARIANTS, (claim,))
    summaries = (baseline or summary("a"), variant)
    return claims.judge(lab, summaries, budgeted=budgeted, quick=quick)[0]


AT_LEAST = Claim("at least 1.5x", "b", "ratio", low=1.5)
AT_MOST = Claim("at most 1.5x", "b", "ratio", high=1.5)


@pytest.mark.parametrize(
    ("claim", "low", "high", "outcome"),
    [
        (AT_LEAST, 1.5, 1.8, "confirmed"),
        (AT_LEAST, 1.4, 1.8, "inconclusive"),
        (AT_LEAST, 1.1, 1.4, "refuted"),
        (AT_MOST, 1.1, 1.4, "confirmed"),
        (AT_MOST, 1.6, 1.8, "refuted"),
        (Claim("t", "b", "ratio", low=1, high=2), 1.2, 1.8, "confirmed"),
        (Claim("t", "b", "ratio", low=1, high=2), 2.2, 2.8, "refuted"),
    ],
)
def test_a_ratio_is_judged_by_its_whole_interval(claim, low, high, outcome):
    result = judge(claim, summary("b", low, high))
    assert result.outcome == outcome
    assert f"[{low:.2f}, {high:.2f}]" in result.figure


@pytest.mark.parametrize(("stale", "outcome"), [(0, "inconclusive"), (1, "confirmed")])
def test_one_stale_read_proves_that_there_are_some(stale, outcome):
    assert judge(Claim("t", "b", "stale", low=1), summary("b", stale=stale)).outcome == outcome


@pytest.mark.parametrize(("stale", "outcome"), [(0, "confirmed"), (1, "refuted")])
def test_a_claim_of_no_stale_read(stale, outcome):
    assert judge(Claim("t", "b", "stale", high=0), summary("b", stale=stale)).outcome == outcome


def test_no_judged_read_proves_nothing():
    unjudged = summary("b", judged=0, stale_share=None)
    assert judge(Claim("t", "b", "stale", low=1), unjudged).outcome == "inconclusive"


def test_latency_and_withheld_latency():
    claim = Claim("t", "b", "p99_ms", high=5)
    assert judge(claim, summary("b")).outcome == "confirmed"
    assert judge(claim, summary("b", p99_ms=None)).outcome == "inconclusive"


def test_without_budgets_only_correctness_is_judged():
    result = judge(AT_LEAST, summary("b", 2, 3), budgeted=False)
    assert result.outcome == "inconclusive"
    assert "budgets" in result.figure
    stale = Claim("t", "b", "stale", low=1)
    assert judge(stale, summary("b", stale=3), budgeted=False).outcome == "confirmed"


def test_a_broken_variant_says_nothing_about_speed():
    broken = summary("b", 0.4, 0.6, error_share=0.33)
    result = judge(AT_LEAST, broken)
    assert (result.outcome, "33% of operations failed" in result.figure) == ("inconclusive", True)
    few = summary("b", 2, 3, error_share=0.005)
    assert judge(AT_LEAST, few).outcome == "confirmed"


def test_a_quick_run_judges_nothing():
    assert judge(AT_LEAST, summary("b", 2, 3), quick=True).outcome == "inconclusive"


def test_few_rounds_judge_no_ratio():
    few = summary("b", 2, 3, by_round=(1.0,) * 4)
    assert judge(AT_LEAST, few).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("limited", "claim", "outcome"),
    [
        ("variant", AT_LEAST, "confirmed"),  # it could only have been faster still
        ("variant", Claim("t", "b", "ratio", high=4), "inconclusive"),
        ("baseline", AT_LEAST, "inconclusive"),
    ],
)
def test_a_saturated_generator(limited, claim, outcome):
    variant = summary("b", 2, 3, cpu_share=0.95 if limited == "variant" else 0.5)
    baseline = summary("a", cpu_share=0.95 if limited == "baseline" else 0.5)
    assert judge(claim, variant, baseline).outcome == outcome


def test_claims_on_what_did_not_run_are_left_out():
    lab = Lab("t", "q", "read", (*VARIANTS, Variant("c", "single", "w")), (AT_LEAST,))
    assert claims.judge(lab, (summary("a"), summary("c")), budgeted=True, quick=False) == ()
    # Another baseline is another ratio.
    assert claims.judge(lab, (summary("c"), summary("b")), budgeted=True, quick=False) == ()


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ({"hit": 9, "miss": 1}, "confirmed"),
        ({"hit": 8, "miss": 2}, "refuted"),
        ({"read": 10}, "inconclusive"),
    ],
)
def test_the_share_of_hits_is_judged_by_itself(counts, outcome):
    claim = Claim("t", "b", "hit_share", low=0.9)
    assert judge(claim, summary("b", counts=counts), budgeted=False).outcome == outcome


def test_what_it_takes_to_judge_all_claims():
    variants = tuple(Variant(name, "single", "w") for name in "abcd")
    struck = dataclasses.replace(variants[3], faults=("kill primary @2s",))
    compared = Lab("t", "q", "read", variants, (Claim("t", "c", "ratio", low=1.5),))
    assert [each.name for each in claims.variants(compared)] == ["a", "c"]
    assert claims.rounds(compared) > statistics.MIN_ROUNDS
    assert claims.slice_s(compared) == 1
    for own in ({"duration_s": 2.0}, {"rounds": 7}, {"variants": (*variants[:3], struck)}):
        itself = dataclasses.replace(compared, **own)
        assert claims.rounds(itself) == statistics.MIN_ROUNDS
        assert claims.slice_s(itself) is None
    figures = (Claim("t", "d", "stale", low=1), Claim("t", "b", "stale", high=0))
    counted = dataclasses.replace(compared, claims=figures)
    assert [each.name for each in claims.variants(counted)] == ["b", "d"]
    assert 1 < claims.rounds(counted) < statistics.MIN_ROUNDS
    assert claims.slice_s(counted) is None
    assert claims.variants(dataclasses.replace(compared, claims=())) == variants


@pytest.mark.parametrize(
    ("metric", "warm"), [("hit_share", True), ("origin_rate", True), ("ratio", False)]
)
def test_a_claim_about_a_cache_wants_it_filled(metric, warm):
    variants = (Variant("a", "single", "x"), Variant("b", "single", "x"))
    made = Lab("t", "q?", "read", variants, (Claim("c", "b", metric, low=0.1),))
    assert claims.of_warmth(made) is warm
