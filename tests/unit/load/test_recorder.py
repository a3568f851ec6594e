from __future__ import annotations

import itertools
import tracemalloc

import pytest

from scalelab.load import recorder as recorder_module
from scalelab.load.recorder import Recorder
from scalelab.measure.checkers.stale_reads import Staleness
from scalelab.measure.histogram import Histogram


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recorder_module, "now", clock)
    return clock


def test_the_warm_up_is_cut_but_seen_by_second(clock: Clock) -> None:
    recorder = Recorder()
    recorder.start(clock.at)
    recorder.response["read"].extend([0.001] * 5)
    recorder.errors["OOM"] += 1
    recorder.events["hit"] += 1
    clock.at += 1
    recorder.begin()
    recorder.response["read"].extend([0.002] * 7)
    recorder.response["write"].append(0.003)
    recorder.events["hit"] += 2
    recorder.errors["ERR"] += 3
    clock.at += 0.9
    recorder.flush()
    clock.at += 1.1
    recorder.response["read"].append(0.002)
    recorder.end()
    report = recorder.report(Staleness((), 0))
    assert report.counts == {"hit": 2, "read": 8, "write": 1}
    assert report.errors == {"ERR": 3}
    # Ticks of 0.1 s; what came at the very end of one is its own.
    ticks = {tick: count for tick, count in enumerate(report.timeline["read"]) if count}
    assert ticks == {9: 5, 18: 7, 29: 1}
    assert report.elapsed_s == 2
    assert report.planned == 9
    assert recorder.completed == 14
    assert Histogram.decode(report.histograms["read"]).total == 8
    assert Histogram.decode(report.histograms["read"]).max == pytest.approx(2000, rel=0.001)


def test_an_open_loop_keeps_throughput_and_latency_apart(clock: Clock) -> None:
    recorder = Recorder(parts=2)
    recorder.start(clock.at)
    recorder.begin()
    warm, stage = recorder.parts
    # Planned in the warm-up, completed now; planned now; completed after the end; never sent.
    warm.moments["read"].extend([99.0, 99.0, 99.0, 99.5] * 4)
    warm.errors["refused"] += 1
    warm.unsent += 1
    stage.moments["read"].extend([100.0, 100.05, 100.09, 100.1] * 2)
    clock.at += 1
    recorder.stage_ends()
    recorder.end()
    stage.moments["read"].extend([100.0, 99.0, 100.04, 100.05])
    stage.errors["refused"] += 2
    stage.sent, stage.unsent = 5, 2
    recorder.flush()
    report = recorder.report(Staleness((), 0))
    assert report.counts == {"read": 6}
    assert report.errors == {"refused": 2}
    assert (report.planned, report.unsent) == (7, 2)
    # Response = wait for a client + lag of the generator + service.
    figures = (
        report.histograms["read"],
        report.client_wait,
        report.send_lag,
        report.service["read"],
    )
    for encoded, longest_ms, sum_ms in zip(
        figures, (100, 50, 40, 10), (250, 100, 120, 30), strict=True
    ):
        histogram = Histogram.decode(encoded)
        assert histogram.total == 3
        assert histogram.max == pytest.approx(1000 * longest_ms, rel=0.001)
        assert 3 * histogram.mean == pytest.approx(1000 * sum_ms, rel=0.001)
    (only,) = report.stages
    assert (only.completed, only.failed, only.planned, only.unsent) == (6, 1, 7, 2)


def test_stages_are_told_apart_by_plan_and_by_time(clock: Clock) -> None:
    recorder = Recorder(parts=3)
    recorder.start(clock.at)
    recorder.begin()
    _, first, second = recorder.parts
    first.moments["read"].extend([100, 100, 100, 100.001] * 10)
    clock.at += 1
    recorder.stage_ends()
    # Of the first stage, but answered in the second.
    first.moments["write"].extend([100, 101, 101, 101.5] * 5)
    second.moments["read"].extend([101, 101, 101, 101.002] * 20)
    second.errors["refused"] += 3
    clock.at += 2
    recorder.stage_ends()
    recorder.end()
    first.sent, second.sent = 15, 23
    report = recorder.report(Staleness((), 0))
    assert [stage.elapsed_s for stage in report.stages] == [1, 2]
    assert [stage.planned for stage in report.stages] == [15, 23]
    assert [stage.completed for stage in report.stages] == [10, 25]
    assert [stage.failed for stage in report.stages] == [0, 3]
    seen = [
        {kind: Histogram.decode(each).total for kind, each in stage.histograms.items()}
        for stage in report.stages
    ]
    assert seen == [{"read": 10, "write": 5}, {"read": 20}]
    assert Histogram.decode(report.histograms["read"]).total == 30
    assert Histogram.decode(report.service["write"]).max == pytest.approx(500_000, rel=0.001)


def test_a_closed_loop_has_no_stages_and_no_waits(clock: Clock) -> None:
    recorder = Recorder()
    recorder.start(clock.at)
    recorder.begin()
    recorder.response["read"].extend([0.002] * 7)
    clock.at += 1
    recorder.stage_ends()
    recorder.end()
    report = recorder.report(Staleness((), 0))
    assert (report.stages, report.client_wait) == ((), b"")
    assert report.service == report.histograms


def test_memory_does_not_grow_with_operations(clock: Clock) -> None:
    recorder, judge = Recorder(parts=2), Staleness([1] * 100, 0, remembered=500)
    recorder.start(clock.at)
    versions, took = itertools.count(2), itertools.cycle([0.0001, 0.002, 0.03, 4.0])

    def record(seconds: int) -> int:
        """So many seconds of a slice, of 2,000 operations each; bytes held afterwards."""
        for _ in range(10 * seconds):
            for operation in range(200):
                key = operation % 100
                floor = judge.reading(key)
                judge.wrote(key, next(versions), clock.at)
                judge.read(key, floor, floor - 1, clock.at)
                recorder.response["read"].append(next(took))
                recorder.parts[1].moments["read"].extend([1.0, 2.0, 3.0, 4.0 + next(took)])
                recorder.lag.append(next(took))
                recorder.errors["lost"] += 1
            clock.at += 0.1
            recorder.flush()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few, many = record(5), record(50)
    finally:
        tracemalloc.stop()
    assert judge.stale == recorder.completed / 2 == 55 * 2000
    # All that grows are counts: ten of four bytes a second, 3.5 MB a day.
    assert many - few < 50 * 10 * 8
