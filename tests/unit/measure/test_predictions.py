"""Answers are read as people write them, and compared with the figure and its interval."""

import dataclasses

import pytest

from scalelab.errors import UsageError
from scalelab.measure import predictions
from scalelab.model import Comparison, Prediction
from tests.made_up import summary

RATIO = Prediction("How many times?", "b", "ratio")
BASELINE = summary("a", 1000.0, 1.0)


def compare(prediction, answer, **changed):
    comparison = Comparison(4.0, 3.0, 5.5, 0.01, "faster")
    measured = dataclasses.replace(summary("b", 4000.0, 1.0, comparison), **changed)
    return predictions.compare(prediction, answer, (BASELINE, measured), 0.3)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("2", "x", 2),
        (" 2.5x\n", "x", 2.5),
        ("2,5 times", "x", 2.5),
        ("5%", "%", 5),
        (".5 percent", "%", 0.5),
        ("1,000", "ms", 1000),
        ("1,234.5 MS", "ms", 1234.5),
        ("13k", "/s", 13_000),
        ("1.2M/s", "/s", 1_200_000),
        ("0", "", 0),
        ("3 rows", "rows", 3),
    ],
)
def test_answers_that_are_read(text, unit, value):
    assert predictions.read(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *(("lots", "x"), ("-1", "x"), ("2 ms", "x"), ("5 s", "ms"), ("1e9", ""), ("nan", "")),
        *(("1.2.3", ""), ("2 x 3", "x"), ("1,00,0", ""), ("inf", "ms"), ("", "x"), ("x", "x")),
    ],
)
def test_answers_that_are_not(text, unit):
    with pytest.raises(UsageError, match="is n") as raised:
        predictions.read(text, unit)
    assert "such as 2.5" in raised.value.hint


@pytest.mark.parametrize(
    ("metric", "unit"),
    [("ratio", "x"), ("stale_share", "%"), ("p99_ms", "ms"), ("throughput", "/s"), ("stale", "")],
)
def test_the_unit_of_a_metric(metric, unit):
    assert predictions.unit(Prediction("?", "b", metric)) == unit
    assert predictions.unit(Prediction("?", "b", metric, "mine")) == "mine"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(4, "right"), (3, "right"), (5.5, "right"), (2.9, "too low"), (5.6, "too high")],
)
def test_right_within_the_interval(answer, outcome):
    assert compare(RATIO, answer).outcome == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(8, "right"), (12, "right"), (7.9, "too low"), (12.1, "too high"), (0, "too low")],
)
def test_right_within_a_fifth_where_there_is_no_interval(answer, outcome):
    compared = compare(Prediction("?", "b", "p99_ms"), answer, p99_ms=10.0)
    assert (compared.outcome, compared.low) == (outcome, None)


def test_a_narrow_interval_does_not_make_it_harder():
    narrow = Comparison(4.0, 3.99, 4.01, 0.01, "faster")
    assert compare(RATIO, 4.7, comparison=narrow).outcome == "right"


def test_a_share_is_predicted_in_percent():
    asked = Prediction("?", "b", "stale_share")
    assert compare(asked, 5, stale_share=0.05).outcome == "right"
    assert compare(asked, 0.05, stale_share=0.05).outcome == "too low"
    assert compare(asked, 0, stale_share=0.0).outcome == "right"


@pytest.mark.parametrize(
    ("metric", "changed", "why"),
    [
        ("ratio", {"comparison": None}, "the baseline completed nothing"),
        ("stale_share", {"judged": 0, "stale_share": None}, "no read was judged"),
        ("stale", {"judged": 0}, "no read was judged"),
        ("stale_max_age_ms", {"judged": 0}, "no read was judged"),
        ("hit_share", {"counts": {"read": 3}}, "nothing was looked up in a cache"),
        ("p99_ms", {"p99_ms": None}, "too few operations"),
        ("unavailable_s", {"figures": {}}, "too little happened"),
    ],
)
def test_what_was_not_measured_is_unknown_and_says_why(metric, changed, why):
    compared = compare(Prediction("?", "b", metric), 5, **changed)
    assert (compared.outcome, compared.figure) == ("unknown", None)
    assert why in compared.why
    assert compared.do == "measure longer: --duration 10"


def test_a_variant_that_did_not_run_is_unknown():
    compared = predictions.compare(RATIO, 5, (BASELINE,), 20)
    assert (compared.outcome, compared.why) == ("unknown", "b did not run")
    assert compared.do == "run all variants"


def test_a_figure_of_checkers_can_be_predicted_and_may_be_missing():
    lost = Prediction("How many are lost?", "b", "lost")
    assert compare(lost, 3.0, figures={"lost": 3.0}).figure == 3
    assert compare(lost, 3.0, figures={}).outcome == predictions.UNKNOWN
