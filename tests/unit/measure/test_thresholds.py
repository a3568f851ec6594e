"""Limits of --fail-if: what is one, where a wrong one is wrong, and what a run says of it."""

import dataclasses
import operator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scalelab.errors import UnknownName, UsageError
from scalelab.measure import thresholds
from scalelab.measure.figures import FIGURES
from scalelab.measure.thresholds import Threshold, judge, parse
from scalelab.model import Comparison, VariantSummary

VARIANTS = ["single", "replication", "sync-replicas"]


def summary(name, comparison=None, **changed):
    figures = VariantSummary(
        name=name,
        throughput=1000.0,
        throughput_low=None,
        throughput_high=None,
        mean_ms=1.0,
        p50_ms=1.0,
        p95_ms=20.0,
        p99_ms=40.0,
        max_ms=90.0,
        operations=5000,
        errors={},
        error_share=0.0,
        judged=1000,
        stale=0,
        stale_share=0.0,
        stale_max_age_ms=0.0,
        counts={},
        cpu_share=0.5,
        ceiling_share=0.1,
        send_lag_p99_ms=0.1,
        offered=None,
        by_round=(1000.0,) * 5,
        histogram="",
        comparison=comparison,
        service_p99_ms=1.0,
        client_wait_p99_ms=0.0,
    )
    return dataclasses.replace(figures, **changed)


def run(text, *changes):
    """What a run of a baseline and these variants says of one limit."""
    rows = [summary("single")]
    for name, changed in zip(VARIANTS[1:], changes, strict=False):
        rows.append(summary(name, Comparison(2.0, 1.9, 2.1, 0.001, "faster")))
        rows[-1] = dataclasses.replace(rows[-1], **changed)
    return judge([parse(text, [row.name for row in rows])], rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p99_ms>50", Threshold("p99_ms>50", "p99_ms", None, ">", 50.0)),
        ("stale_reads>0", Threshold("stale_reads>0", "stale_reads", None, ">", 0.0)),
        (
            "ratio(replication)<1.5",
            Threshold("ratio(replication)<1.5", "ratio", "replication", "<", 1.5),
        ),
        (
            " throughput_per_s ( sync-replicas ) <= 1e3 ",
            Threshold(
                "throughput_per_s ( sync-replicas ) <= 1e3",
                "throughput_per_s",
                "sync-replicas",
                "<=",
                1000.0,
            ),
        ),
        ("errors!=0", Threshold("errors!=0", "errors", None, "!=", 0.0)),
        ("errors == +.5", Threshold("errors == +.5", "errors", None, "==", 0.5)),
    ],
)
def test_what_is_a_limit(text, expected):
    assert parse(text, VARIANTS) == expected


@pytest.mark.parametrize(
    ("text", "under", "says"),
    [
        ("", "^", "begins with the name of a metric"),
        ("50<p99_ms", "^", "begins with the name of a metric"),
        ("p99_mss>50", "^^^^^^^", "did you mean 'p99_ms'?"),
        ("p99>50", "^^^", "did you mean 'p99_ms'?"),
        ("throughput<5", "^^^^^^^^^^", "did you mean 'throughput_per_s'?"),
        ("ratio(replicaton)<2", "      ^^^^^^^^^^", "did you mean 'replication'?"),
        ("ratio( )<2", "     ^^^", "variants: single, replication"),
        ("ratio(single<2", "     ^", "not closed"),
        ("p99_ms", "      ^", "comparison is missing"),
        ("p99_ms=50", "      ^", "did you mean '=='?"),
        ("p99_ms => 50", "       ^", "did you mean '=='?"),
        ("p99_ms 50", "       ^", "comparison is missing"),
        ("p99_ms>", "       ^", "number is missing"),
        ("p99_ms>>50", "       ^", "number is missing"),
        ("p99_ms>fifty", "       ^", "number is missing"),
        ("p99_ms>nan", "       ^", "number is missing"),
        ("p99_ms>1e999", "       ^^^^^", "too large"),
        ("p99_ms>50ms", "         ^^", "p99_ms is in ms"),
        ("error_share>1%", "             ^", "1% is 0.01"),
        ("p99_ms>5 and errors>0", "         ^^^^^^^^^^^^", "--fail-if A --fail-if B"),
        ("p99_ms\n\x1b>x", "       ^", "comparison is missing"),
    ],
)
def test_a_wrong_one_is_pointed_at(text, under, says):
    with pytest.raises(UsageError) as caught:
        parse(text, VARIANTS)
    assert caught.value.exit_code == 2
    assert says in f"{caught.value.message} {caught.value.hint}"
    shown, carets = caught.value.details
    assert len(shown) == len(text)
    assert shown.isprintable()
    assert carets == under


def test_an_unknown_name_is_one_of_its_kind():
    for text in ("nothing_like_it>1", "p99_ms(nobody)>1"):
        with pytest.raises(UnknownName, match="there is no"):
            parse(text, VARIANTS)


spaces = st.sampled_from(["", " ", "  ", "\t"])


@given(
    metric=st.sampled_from(sorted(thresholds.METRICS)),
    variant=st.none() | st.sampled_from(VARIANTS),
    comparison=st.sampled_from(sorted(thresholds.COMPARISONS)),
    bound=st.floats(allow_nan=False, allow_infinity=False),
    gaps=st.lists(spaces, min_size=6, max_size=6),
)
def test_every_limit_that_can_be_written_is_read_back(metric, variant, comparison, bound, gaps):
    named = f"{gaps[1]}({gaps[2]}{variant}{gaps[3]})" if variant else ""
    text = f"{gaps[0]}{metric}{named}{gaps[4]}{comparison}{gaps[5]}{bound!r}"
    found = parse(text, VARIANTS)
    assert found == Threshold(text.strip(), metric, variant, comparison, bound)


@given(st.text() | st.text(alphabet="p99_ms ratio(single)<>=!-+.e1\t"))
@example("ratio(single)>")
@example("p99_ms>1\x00")
def test_any_other_text_is_pointed_at_and_never_a_crash(text):
    found = parse_or_error(text)
    if isinstance(found, Threshold):
        assert found.metric in text
        assert found.comparison in text
        return
    shown, carets = found.details
    assert shown.isprintable()
    assert set(carets.strip()) == {"^"}
    # At the latest just behind the end.
    assert carets.index("^") <= len(shown)
    assert len(carets) <= len(shown) + 1
    assert found.hint


def parse_or_error(text):
    try:
        return parse(text, VARIANTS)
    except UsageError as error:
        return error


@given(
    comparison=st.sampled_from(sorted(thresholds.COMPARISONS)),
    value=st.integers(0, 3) | st.floats(0, 3),
    bound=st.integers(0, 3),
)
def test_a_limit_is_broken_exactly_where_its_comparison_holds(comparison, value, bound):
    limit = parse(f"p99_ms{comparison}{bound}", ["single"])
    said = judge([limit], [summary("single", p99_ms=value)])
    named = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}[comparison]
    assert bool(said.broken) is getattr(operator, named)(value, bound)
    assert said.unknown == ()


def test_a_limit_on_all_is_broken_by_any_and_says_by_which():
    said = run("p99_ms>50", {"p99_ms": 12.0}, {"p99_ms": 61.34})
    assert said.broken == ("p99_ms>50: sync-replicas has p99_ms 61.34",)
    assert run("p99_ms>50", {}, {}) == thresholds.Judgement((), ())


def test_a_limit_on_one_is_not_broken_by_another():
    assert run("p99_ms(replication)>50", {}, {"p99_ms": 61.3}).broken == ()
    assert run("p99_ms(sync-replicas)>50", {}, {"p99_ms": 61.3}).broken


def test_errors_of_every_kind_count():
    said = run("errors>2999", {"errors": {"timeout": 1000, "connection lost": 2000}})
    assert said.broken == ("errors>2999: replication has errors 3,000",)


def test_the_ratio_is_judged_by_the_figure_itself():
    low = {"comparison": Comparison(1.21, 1.0, 1.6, 0.05, "inconclusive")}
    assert run("ratio(replication)<1.5", low).broken == (
        "ratio(replication)<1.5: replication has ratio 1.21",
    )
    assert run("ratio(replication)<1.2", low).broken == ()


def test_a_ratio_without_a_variant_leaves_out_the_baseline():
    assert run("ratio<1.5", {}, {}) == thresholds.Judgement((), ())


def test_a_figure_the_run_does_not_have_is_unknown():
    assert run("ratio(single)<1.5", {}).unknown == (
        "ratio(single)<1.5: single has no ratio (it is the baseline itself)",
    )
    assert run("ratio<1.5").unknown  # nobody but the baseline ran
    assert "nothing to compare" in run("ratio<1.5", {"comparison": None}).unknown[0]
    assert "too few samples" in run("p99_ms>50", {"p99_ms": None}).unknown[0]
    none = {"judged": 0, "stale_share": None}
    assert "no read was judged" in run("stale_reads>0", none).unknown[0]
    assert "no read was judged" in run("stale_max_age_ms>0", none).unknown[0]


def test_what_is_broken_stays_broken_beside_what_is_unknown():
    said = run("p99_ms>50", {"p99_ms": None}, {"p99_ms": 51.0})
    assert len(said.broken) == len(said.unknown) == 1


def test_a_figure_is_never_rounded_onto_its_limit():
    assert "50.0001" in run("p99_ms>50", {"p99_ms": 50.0001}).broken[0]
    assert "12,345.7" in run("throughput_per_s>9000", {"throughput": 12345.67}).broken[0]


@pytest.mark.parametrize("metric", sorted(thresholds.METRICS - {"ratio"} - set(FIGURES)))
def test_every_metric_has_a_figure(metric):
    said = run(f"{metric}>=-1", {})
    assert len(said.broken) == 2
    assert said.unknown == ()


def test_a_figure_nothing_checked_is_unknown_and_never_fine():
    assert run("lost>0", {}).unknown
    assert run("lost>0", {"figures": {"lost": 3.0}}).broken
    one = VARIANTS[1]
    assert run(f"lost({one})>0", {"figures": {"lost": 0.0}}) == thresholds.Judgement((), ())
