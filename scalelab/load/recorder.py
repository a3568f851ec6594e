"""Collects what sessions report: in lists while they run, in histograms ten times a second."""

from __future__ import annotations

import time
from array import array
from collections import Counter

import numpy as np

from scalelab.load.loop import now
from scalelab.measure.checkers.lost_writes import Adds
from scalelab.measure.checkers.register import Linearizability
from scalelab.measure.checkers.sessions import SessionGuarantees
from scalelab.measure.checkers.stale_reads import Staleness
from scalelab.measure.histogram import Histogram
from scalelab.model import TICK_S, StageReport, WorkerReport

_HAIR = 0.01
_MOMENTS = 4


class Batches(dict[str, "array[float]"]):
    """Seconds by operation kind; a new kind makes its own array."""

    def __missing__(self, kind: str) -> array[float]:
        batch = self[kind] = array("d")
        return batch


class Moments(dict[str, list[float]]):
    """By operation kind four moments of each operation, one after the other.

    When it was planned, when a client was free to take it, when it was sent, when it finished.
    """

    def __missing__(self, kind: str) -> list[float]:
        # A list is filled faster than an array, by as much as turning it into one costs later.
        batch: list[float] = []
        self[kind] = batch
        return batch


class Part:
    """What was planned in one part of an open loop: its warm-up, or a stage.

    Attributes
    ----------
    moments : of those that completed; :meth:`Recorder.flush` empties them.
    errors : of those that failed.
    sent, unsent : how many were planned in it and sent, and never sent.
    """

    __slots__ = ("errors", "histograms", "moments", "sent", "unsent")

    def __init__(self) -> None:
        self.moments = Moments()
        self.errors: Counter[str] = Counter()
        self.histograms: dict[str, Histogram] = {}
        self.sent = self.unsent = 0


class Recorder:
    """One slice's figures. Sessions append to the batches; :meth:`flush` empties them.

    Parameters
    ----------
    parts : of an open loop, the warm-up and each stage; 0 for a closed loop.

    Attributes
    ----------
    response : a closed loop's response times by kind, of what completed in the measured time.
    errors : a closed loop's failures by kind.
    parts : an open loop's operations, by the part they were planned in; the first is the warm-up.
    lag : how late the generator was.
    counts : operations by kind that completed in the measured time, whenever they were planned:
        achieved throughput.
    events : what the workload counts.
    completed : all operations so far, the warm-up included.
    """

    def __init__(self, parts: int = 0) -> None:
        self.response = Batches()
        self.parts = [Part() for _ in range(parts)]
        self.lag = array("d")
        self.errors: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.completed = 0
        self.counts: Counter[str] = Counter()
        self.elapsed_s = 0.0
        self.cpu_share = 0.0
        self._histograms: dict[str, Histogram] = {}
        self._service: dict[str, Histogram] = {}
        self._lag_histogram, self._wait_histogram = Histogram(), Histogram()
        self._timeline: dict[str, array[int]] = {}
        self._started = self._begun = self._cpu = 0.0
        # When each stage began, what had completed and what had failed by then.
        self._marks: list[tuple[float, int, int]] = []

    def start(self, at: float) -> None:
        """The slice starts at ``at`` (s): the first second counted."""
        self._started = at

    def begin(self) -> None:
        """The measured time begins: forget all but the live throughput."""
        self.flush()
        self._histograms.clear()
        self._lag_histogram = Histogram()
        self.errors.clear()
        self.events.clear()
        self.counts.clear()
        self._begun, self._cpu = now(), time.process_time()
        self._mark(self._begun)

    def stage_ends(self) -> None:
        """A stage of the measured time ends; the next begins, if there is one."""
        self.flush()
        self._mark(now())

    def end(self) -> None:
        """The measured time ends; what an open loop records later was planned before."""
        self.flush()
        self.elapsed_s = now() - self._begun
        self.cpu_share = (time.process_time() - self._cpu) / self.elapsed_s

    def flush(self) -> None:
        """Move the batches into the histograms and into the current tick's count."""
        done = Counter({kind: len(batch) for kind, batch in self.response.items()})
        for number, part in enumerate(self.parts):
            for kind, moments in part.moments.items():
                done[kind] += len(moments) // _MOMENTS
                if number and moments:
                    self._split(part, kind, moments)
                moments.clear()
        if not self.elapsed_s:
            self.counts.update(done)
        self.completed += done.total()
        self._tick(done)
        for kind, batch in self.response.items():
            if batch:
                # A copy: numpy's view of it lasts as long as a sampling profiler (Dask has one)
                # holds the frame, and an array cannot shrink as long as it is viewed.
                self._histograms.setdefault(kind, Histogram()).record(batch[:])
                # Emptied in place: sessions may hold on to it.
                del batch[:]
        if self.lag:
            self._lag_histogram.record(self.lag[:])
            del self.lag[:]

    def report(
        self,
        judge: Staleness,
        guarantees: SessionGuarantees | None = None,
        adds: tuple[Adds, ...] = (),
        registers: Linearizability | None = None,
    ) -> WorkerReport:
        """Everything that was recorded, and what the checkers were told."""
        measured, errors = self.parts[1:], self.errors.copy()
        for part in measured:
            errors.update(part.errors)
            for kind, histogram in part.histograms.items():
                self._histograms.setdefault(kind, Histogram()).merge(histogram)
        unsent = sum(part.unsent for part in measured)
        response = _encoded(self._histograms)
        reads = judge.result()
        return WorkerReport(
            elapsed_s=self.elapsed_s,
            histograms=response,
            service=_encoded(self._service) if measured else response,
            send_lag=self._lag_histogram.encode(),
            counts={**self.events, **self.counts},
            errors=dict(+errors),
            judged=reads.judged,
            stale=reads.stale,
            stale_max_age_ms=reads.max_age_ms,
            cpu_share=self.cpu_share,
            planned=sum(part.sent for part in measured) + unsent
            if measured
            else self.counts.total(),
            unsent=unsent,
            client_wait=self._wait_histogram.encode() if measured else b"",
            stages=self._stages(),
            timeline={kind: tuple(ticks) for kind, ticks in self._timeline.items()},
            begun_s=self._begun - self._started,
            guarantees=guarantees,
            adds=adds,
            registers=registers,
        )

    def _tick(self, done: Counter[str]) -> None:
        # Called on the tick and a hair later: the batch belongs to the tick that ended.
        tick = max(int((now() - self._started - _HAIR) / TICK_S), 0)
        for kind, count in done.items():
            ticks = self._timeline.setdefault(kind, array("I"))
            ticks.extend([0] * (tick + 1 - len(ticks)))
            ticks[tick] += count

    def _split(self, part: Part, kind: str, moments: list[float]) -> None:
        """Response time, service time, wait for a client and send lag out of the moments."""
        planned, free, sent, finished = np.array(moments).reshape(-1, _MOMENTS).T
        part.histograms.setdefault(kind, Histogram()).record(finished - planned)
        self._service.setdefault(kind, Histogram()).record(finished - sent)
        self._wait_histogram.record(np.maximum(free - planned, 0))
        self._lag_histogram.record(sent - np.maximum(planned, free))

    def _mark(self, at: float) -> None:
        failed = sum(part.errors.total() for part in self.parts)
        self._marks.append((at, self.completed, failed))

    def _stages(self) -> tuple[StageReport, ...]:
        return tuple(
            StageReport(
                elapsed_s=after[0] - before[0],
                histograms=_encoded(part.histograms),
                planned=part.sent + part.unsent,
                unsent=part.unsent,
                completed=after[1] - before[1],
                failed=after[2] - before[2],
            )
            # A slice that was told to stop has fewer marks than stages.
            for part, before, after in zip(
                self.parts[1:], self._marks, self._marks[1:], strict=False
            )
        )


def _encoded(histograms: dict[str, Histogram]) -> dict[str, bytes]:
    return {kind: histogram.encode() for kind, histogram in histograms.items()}
