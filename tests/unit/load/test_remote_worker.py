"""A Dask worker drives only what it was asked for, and knows when it is told nothing more."""

import pytest

from scalelab.errors import WorkerLost
from scalelab.load import remote_worker
from scalelab.load.remote_worker import ALONE_S, PROCESS, Ticket, attend, drive, introduce
from scalelab.load.shared import Shared
from scalelab.load.worker import SliceTask
from scalelab.model import Load

TASK = SliceTask({}, "insert_write", {}, Load(1, None, 1.0, 0.0, 1), 0)


def test_a_slice_asked_of_another_process_is_refused():
    # Dask runs a lost task again when a worker comes back at the same address.
    with pytest.raises(WorkerLost, match="started again"):
        drive(TASK, Ticket("another", "a"))


def test_one_slice_at_a_time(monkeypatch):
    with remote_worker._free, pytest.raises(WorkerLost, match="another run"):
        drive(TASK, Ticket(PROCESS, "a"))


def test_the_driver_asks_how_far_a_slice_is_and_stops_it(monkeypatch):
    asked = []

    def slice(task):
        shared = Shared.current()
        asked.append(attend("another"))
        asked.append(attend("a"))
        attend("a", go=True)
        shared.meet(0, 1)  # returns at once: the word is given
        shared.completed[0] = 7
        assert not shared.stopped()
        asked.append(attend("a", stop=True))
        assert shared.stopped()
        return "report"

    monkeypatch.setattr(remote_worker, "run_slice", slice)
    assert drive(TASK, Ticket(PROCESS, "a")) == "report"
    assert asked == [None, (False, 0), (True, 7)]
    assert attend("a") is None
    assert Shared.current() is None


def test_what_a_silent_driver_left_is_no_report(monkeypatch):
    clock = iter([0.0, ALONE_S + 1])
    monkeypatch.setattr(remote_worker.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(remote_worker, "run_slice", lambda task: Shared.current().stopped())
    with pytest.raises(WorkerLost, match="heard nothing"):
        drive(TASK, Ticket(PROCESS, "a"))


def test_it_says_which_process_it_is():
    assert introduce() == introduce()
    assert introduce()[1] == PROCESS
