"""The no-op ceiling: the worker's own loop and recorder, sessions that answer themselves."""

from scalelab.load import ceiling
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load


def test_every_request_is_recorded_and_every_socket_closed():
    # An unclosed socket warns, and a warning fails the test.
    load = Load(4, None, 0.1, 0.0, seed=0)
    report = run_slice(SliceTask({}, ceiling.__file__, {}, load, 0))
    assert report.errors == {}
    assert report.counts["no-op"] > 0
    assert set(report.histograms) == {"no-op"}
    assert sum(report.timeline["no-op"]) >= report.counts["no-op"]


def test_it_is_a_rate():
    assert ceiling.measure() > 0
