from __future__ import annotations

import pytest

from scalelab.load import recorder as recorder_module
from scalelab.load.recorder import Recorder
from scalelab.measure.histogram import Histogram
from scalelab.measure.staleness import Staleness


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
    report = recorder.report(Staleness((), 0), None, 0)
    assert report.counts == {"hit": 2, "read": 8, "write": 1}
    assert report.errors == {"ERR": 3}
    assert report.per_second == (5, 8, 1)
    assert report.elapsed_s == 2
    assert report.planned == 9
    assert recorder.completed == 14
    assert Histogram.decode(report.histograms["read"]).total == 8
    assert Histogram.decode(report.histograms["read"]).max == pytest.approx(2000, rel=0.001)


def test_an_open_loop_keeps_throughput_and_latency_apart(clock: Clock) -> None:
    recorder = Recorder()
    recorder.start(clock.at)
    recorder.begin()
    # Planned in the warm-up, completed now; planned now; completed after the end.
    recorder.warm["read"].extend([0.5] * 4)
    recorder.response["read"].extend([0.1] * 2)
    recorder.service["read"].extend([0.01] * 2)
    recorder.lag.extend([0.09] * 2)
    clock.at += 1
    recorder.end()
    recorder.response["read"].append(0.1)
    recorder.service["read"].append(0.01)
    recorder.flush()
    report = recorder.report(Staleness((), 0), 5, 2)
    assert report.counts == {"read": 6}
    assert Histogram.decode(report.histograms["read"]).total == 3
    assert Histogram.decode(report.service["read"]).max == pytest.approx(10_000, rel=0.001)
    assert Histogram.decode(report.send_lag).max == pytest.approx(90_000, rel=0.001)
    assert (report.planned, report.unsent) == (5, 2)
