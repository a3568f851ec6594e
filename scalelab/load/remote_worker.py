"""What happens in a Dask worker: it is asked whether it can serve, and drives its part of a slice.

The slice runs in a thread of the worker, beside the event loop that keeps its connection. Through
that loop the driver says what a :class:`Shared` says in memory on one machine: begin, stop, and
how far are you.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import threading
import time
import uuid
from dataclasses import dataclass
from importlib.metadata import version

from scalelab.errors import WorkerLost
from scalelab.load.shared import Shared
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Places, WorkerReport

PROCESS = uuid.uuid4().hex
"""This very process: one that was started again at the same address has another."""

ALONE_S = 15.0
"""A worker that has not heard from the driver for so long ends its slice (s)."""

_free = threading.Lock()
_current: _Attended | None = None


@dataclass(frozen=True)
class Ticket:
    """Who may drive a slice.

    Parameters
    ----------
    process : the worker's :data:`PROCESS`.
    slice : a name that no other slice has.
    """

    process: str
    slice: str


class _Attended(Shared):
    """What a worker shares with a driver that is not on its machine: told by :func:`attend`."""

    def __init__(self, name: str, worker: int, workers: int) -> None:
        super().__init__(multiprocessing.get_context("spawn"), workers)
        self.name, self.worker = name, worker
        self.ready = self.go = self.alone = False
        self.heard = time.monotonic()

    def meet(self, worker: int, workers: int) -> None:
        """Wait for the driver's word: who comes late is its to judge."""
        self.ready = True
        while not self.go and not self.stopped():
            time.sleep(0.001)

    def stopped(self) -> bool:
        self.alone = self.alone or time.monotonic() - self.heard > ALONE_S
        return self.alone or super().stopped()


def introduce() -> tuple[str, str]:
    """The version of scalelab here, and this process."""
    quiet = logging.getLogger("distributed.worker")
    if _not_attend not in quiet.filters:
        quiet.addFilter(_not_attend)
    return version("scalelab"), PROCESS


def unreachable(places: Places) -> tuple[str, ...]:
    """The nodes that do not answer a real query from here, by name."""
    return tuple(name for name, place in places.items() if not _answers(name, places))


def attend(name: str, *, go: bool = False, stop: bool = False) -> tuple[bool, int] | None:
    """The driver's word to the slice of that name, and back how it is.

    Parameters
    ----------
    go : begin; all workers are ready.
    stop : end it.

    Returns
    -------
    Whether it is ready to begin, and the operations completed; None when it does not run here.
    """
    found = _current
    if found is None or found.name != name:
        return None
    found.heard = time.monotonic()
    found.go = found.go or go
    if stop:
        found.stop()
    return found.ready, found.completed[found.worker]


def drive(task: SliceTask, ticket: Ticket) -> WorkerReport:
    """Drive one worker's part of a slice.

    Raises
    ------
    WorkerLost : this is not the process that was asked, it has something else to do, or the driver
        fell silent.
    CheckFailed : the workload broke.
    """
    global _current
    if ticket.process != PROCESS:
        raise WorkerLost("it was started again")
    if not _free.acquire(blocking=False):
        raise WorkerLost("it is at work for another run")
    try:
        _current = _Attended(ticket.slice, task.worker, task.load.workers)
        _current.adopt()
        report = run_slice(task)
        if _current.alone:
            raise WorkerLost(f"it heard nothing from the driver for {ALONE_S:g} s")
        return report
    finally:
        Shared.leave()
        _current = None
        _free.release()


def _answers(name: str, places: Places) -> bool:
    place = places[name]
    service = importlib.import_module(f"scalelab.services.{place.node.service}").SERVICE
    return bool(service.ready(place, places))


def _not_attend(record: logging.LogRecord) -> bool:
    """Dask logs every call out of band: two in each second of a slice would be most of its log."""
    return record.args != (attend.__name__,)
