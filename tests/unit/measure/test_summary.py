"""Slices to table rows: merging, gates, shares."""

import pytest

from scalelab.measure import summary
from scalelab.measure.histogram import Histogram
from scalelab.model import (
    Lab,
    Load,
    Slice,
    Stage,
    StageReport,
    Struck,
    Variant,
    WorkerReport,
)

LAB = Lab("t", "q", "read", (Variant("a", "single", "w"), Variant("b", "single", "w")))
CLOSED = Load(clients=4, rate=None, duration_s=2, warmup_s=0, seed=1)
OPEN = Load(clients=4, rate=100, duration_s=2, warmup_s=0, seed=1)


def encoded(latencies_ms):
    import numpy as np

    histogram = Histogram()
    histogram.record(np.array(latencies_ms, dtype=float) / 1000)
    return histogram.encode()


def report(reads_ms=(1.0,) * 200, writes_ms=(), **changed):
    histograms = {"read": encoded(reads_ms)}
    if writes_ms:
        histograms["write"] = encoded(writes_ms)
    fields = {
        "elapsed_s": 2.0,
        "histograms": histograms,
        "service": histograms,
        "send_lag": encoded([0.02] * 200),
        "counts": {"read": len(reads_ms), "write": len(writes_ms)},
        "errors": {},
        "judged": 0,
        "stale": 0,
        "stale_max_age_ms": 0.0,
        "cpu_share": 0.5,
        "planned": len(reads_ms) + len(writes_ms),
        "unsent": 0,
    }
    return WorkerReport(**{**fields, **changed})


def stage(planned, unsent=0, completed=None, failed=0, reads_ms=(1.0,) * 200, elapsed_s=2.0):
    completed = planned - unsent - failed if completed is None else completed
    return StageReport(elapsed_s, {"read": encoded(reads_ms)}, planned, unsent, completed, failed)


def row(*reports, load=CLOSED, rounds=1):
    slices = [Slice("a", number, 0, reports) for number in range(rounds)]
    return summary.summarize(LAB, ["a"], slices, load, quick=False, ceiling=1e6)[0]


def test_throughput_counts_the_labs_kind_over_each_workers_own_time():
    found = row(report((1.0,) * 200, (5.0,) * 50), report((1.0,) * 100, elapsed_s=1.0), rounds=2)
    assert found.throughput == pytest.approx(200 / 2 + 100 / 1)
    assert found.by_round == (200, 200)
    assert found.operations == 2 * 350


def test_an_operation_may_be_worth_many_of_what_is_counted():
    """A bulk of 100 documents is one operation with one latency, and 100 documents."""
    bulk = Variant("b", "single", "w", worth=100)
    lab = Lab("t", "q", "read", (Variant("a", "single", "w"), bulk))
    reads = report((5.0,) * 20, timeline={"read": (1,) * 20})
    slices = [
        Slice(name, number, 0, (reads,), struck=(Struck("kill x @0s", 0.0, None),))
        for name in "ab"
        for number in range(3)
    ]
    one, many = summary.summarize(lab, ["a", "b"], slices, CLOSED, quick=False, ceiling=1e6)
    assert (one.throughput, many.throughput) == (10, 1000)
    assert many.comparison.ratio == pytest.approx(100)
    assert one.operations == many.operations == 60
    assert one.mean_ms == many.mean_ms
    assert (one.timeline, many.timeline) == ((10,) * 20, (1000,) * 20)


def test_the_merged_histogram_is_kept():
    found = row(report((1.0,) * 100, (500.0,) * 9), report((3.0,) * 50), rounds=2)
    kept = Histogram.decode(found.histogram.encode())
    assert kept.total == 2 * 150
    assert kept.percentile(100) == pytest.approx(3000, rel=1e-3)


def test_latency_is_of_the_labs_kind_and_merged_over_workers():
    found = row(report((1.0,) * 100, (500.0,) * 100), report((3.0,) * 100))
    assert found.mean_ms == pytest.approx(2.0, rel=0.01)
    assert found.p95_ms == pytest.approx(3.0, rel=0.01)
    assert found.max_ms == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize(
    ("samples", "p50", "p95", "p99"),
    [
        (1, False, False, False),
        (2, True, False, False),
        (19, True, False, False),
        (20, True, True, False),
        (99, True, True, False),
        (100, True, True, True),
    ],
)
def test_percentiles_need_samples(samples, p50, p95, p99):
    found = row(report((1.0,) * samples))
    given = tuple(value is not None for value in (found.p50_ms, found.p95_ms, found.p99_ms))
    assert given == (p50, p95, p99)


@pytest.mark.parametrize(("samples", "given"), [(999, False), (1000, True)])
def test_p99_9_needs_a_thousand(samples, given):
    histogram = summary.merge([encoded((1.0,) * samples)])
    assert (summary.gated(histogram, 99.9) is not None) == given


def test_percentiles_over_rounds_are_those_of_all_samples():
    slices = [Slice("a", n, 0, (report((1.0 + n,) * 100),)) for n in range(4)]
    found = summary.summarize(LAB, ["a"], slices, CLOSED, quick=False, ceiling=1e6)[0]
    assert found.p50_ms == pytest.approx(2.0, rel=0.01)
    assert found.p99_ms == pytest.approx(4.0, rel=0.01)


def test_nothing_measured_is_none_and_not_zero():
    found = row(report(()))
    assert (found.mean_ms, found.p50_ms, found.max_ms) == (None, None, None)
    assert (found.throughput, found.error_share, found.stale_share) == (0, 0, None)


def test_errors_and_staleness_add_up():
    found = row(
        report(errors={"timeout": 3}, judged=90, stale=9, stale_max_age_ms=4.0),
        report(errors={"timeout": 1, "refused": 96}, judged=10, stale=1, stale_max_age_ms=2.0),
    )
    assert found.errors == {"timeout": 4, "refused": 96}
    assert found.error_share == pytest.approx(100 / 500)
    assert (found.judged, found.stale, found.stale_share) == (100, 10, 0.1)
    assert found.stale_max_age_ms == 4.0


def test_events_are_counted_and_are_no_operations():
    found = row(report(counts={"read": 200, "hit": 180, "miss": 20}))
    assert found.counts["hit"] == 180
    assert found.operations == 200


def test_generator_share_is_that_of_the_busiest_worker():
    assert row(report(cpu_share=0.4), report(cpu_share=0.95)).cpu_share == 0.95


def test_the_share_of_the_ceiling_is_that_of_the_busiest_worker():
    # 200 operations in 2 s, 50 of them no reads; the other worker did half of that.
    slices = [Slice("a", n, 0, (report((1.0,) * 150, (1.0,) * 50), report())) for n in range(5)]
    (found,) = summary.summarize(LAB, ["a"], slices, CLOSED, quick=False, ceiling=200.0)
    assert found.ceiling_share == pytest.approx(0.5)
    assert summary.used(found) == pytest.approx(0.5)


@pytest.mark.parametrize(("ceiling", "verdict"), [(1e6, "slower"), (100.0, "inconclusive")])
def test_at_its_ceiling_the_generator_is_the_limit(ceiling, verdict):
    # b reads less than a, but does 95 operations a second: were it 100 at most, the servers
    # could do more.
    slices = [
        piece
        for number in range(5)
        for piece in (
            Slice("a", number, 0, (report((1.0,) * (100 + number)),)),
            Slice("b", number, 1, (report((1.0,) * (20 + number), (1.0,) * 170),)),
        )
    ]
    _, found = summary.summarize(LAB, ["a", "b"], slices, CLOSED, quick=False, ceiling=ceiling)
    assert found.comparison.verdict == verdict


def test_rows_keep_the_order_asked_for_and_compare_with_the_first():
    slices = [
        Slice(name, number, 0, (report((1.0,) * (count + number)),))
        for number in range(5)
        for name, count in (("a", 100), ("b", 300))
    ]
    first, second = summary.summarize(LAB, ["b", "a"], slices, CLOSED, quick=False, ceiling=1e6)
    assert (first.name, first.comparison) == ("b", None)
    assert second.comparison.verdict == "slower"


def test_an_open_loop_that_falls_behind_withholds_its_percentiles():
    kept_up = row(report(planned=205, unsent=5, stages=(stage(205, 5),)), load=OPEN)
    assert kept_up.p99_ms is not None
    behind = row(
        report(planned=300, unsent=100, client_wait=encoded([9] * 200), stages=(stage(300, 100),)),
        load=OPEN,
    )
    assert (behind.mean_ms, behind.p50_ms, behind.p99_ms) == (None, None, None)
    assert (behind.service_p99_ms, behind.client_wait_p99_ms) == (None, None)
    assert behind.max_ms is not None
    assert behind.offered == 100
    assert (behind.planned, behind.unsent, behind.stages) == (300, 100, ())


def test_an_open_loops_p99_is_taken_apart():
    figures = {
        "service": {"read": encoded([2.0] * 200), "write": encoded([9.0] * 200)},
        "client_wait": encoded([6.0] * 200),
        "send_lag": encoded([0.5] * 200),
    }
    found = row(report((8.5,) * 200, **figures, stages=(stage(200),)), load=OPEN)
    parts = (found.service_p99_ms, found.client_wait_p99_ms, found.send_lag_p99_ms)
    assert parts == pytest.approx((2, 6, 0.5), rel=0.01)
    assert found.p99_ms == pytest.approx(sum(parts), rel=0.01)
    closed = row(report())
    assert closed.service_p99_ms == closed.p99_ms
    assert closed.client_wait_p99_ms is None


STAGED = Load(4, 250, 4, 0, 1, stages=(Stage(100, 2), Stage(400, 2)))


def test_each_stage_has_its_own_figures_over_workers_and_rounds():
    slow = (30.0,) * 100
    reports = (
        report(stages=(stage(100), stage(400, reads_ms=slow))),
        report(stages=(stage(100), stage(390, failed=10, reads_ms=slow))),
    )
    first, second = row(*reports, load=STAGED, rounds=3).stages
    assert (first.offered, second.offered) == (100, 400)
    # Two workers of 100 each in 2 s; what failed is no achievement, but no backlog either.
    assert (first.achieved, second.achieved) == (100, pytest.approx(390))
    assert (first.planned, second.planned, second.unsent) == (600, 2370, 0)
    assert (first.p50_ms, first.p99_ms) == pytest.approx((1, 1), rel=0.01)
    assert (second.p50_ms, second.max_ms) == pytest.approx((30, 30), rel=0.01)
    assert not first.overloaded
    assert not second.overloaded


def test_a_stage_that_falls_behind_is_told_though_a_later_one_catches_up():
    late = (500.0,) * 200
    stages = (stage(800, completed=600, reads_ms=late), stage(200, completed=400, reads_ms=late))
    slices = [Slice("a", 0, 0, (report(stages=stages),))]
    assert summary.overloaded(STAGED, slices)
    found = row(report(stages=stages), load=STAGED)
    assert found.p99_ms is None
    peak, after = found.stages
    assert (peak.overloaded, peak.p50_ms, peak.p99_ms) == (True, None, None)
    assert peak.max_ms is not None
    assert (after.overloaded, after.p99_ms) == (False, pytest.approx(500, rel=0.01))


def test_a_stage_of_which_little_was_sent_has_not_kept_up():
    # It answered much, but all of it was left over from before.
    stages = (stage(200), stage(200, unsent=150, completed=900))
    found = row(report(stages=stages), load=STAGED)
    assert [each.overloaded for each in found.stages] == [False, True]


def test_errors_are_answers_not_a_backlog():
    stages = (stage(300, failed=100),)
    slices = [Slice("a", 0, 0, (report(planned=300, errors={"refused": 100}, stages=stages),))]
    assert not summary.overloaded(OPEN, slices)
    assert not summary.overloaded(CLOSED, slices)


def test_a_request_under_way_at_the_end_is_no_overload():
    few = Load(clients=4, rate=5.0, duration_s=1.0, warmup_s=0.0, seed=1)

    def stage(planned, completed):
        return StageReport(1.0, {}, planned, 0, completed, 0)

    def sliced(*stages):
        return [Slice("v", n, 0, (report(stages=(each,)),)) for n, each in enumerate(stages)]

    assert not summary.overloaded(few, sliced(stage(5, 4), stage(4, 3), stage(6, 5)))
    assert summary.overloaded(few, sliced(stage(50, 40), stage(50, 40)))
