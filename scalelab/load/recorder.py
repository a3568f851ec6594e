"""Collects what sessions report: in arrays while they run, in histograms ten times a second."""

from __future__ import annotations

import time
from array import array
from collections import Counter

from scalelab.load.loop import now
from scalelab.measure.histogram import Histogram
from scalelab.measure.staleness import Staleness
from scalelab.model import WorkerReport

_HAIR = 0.01


class Batches(dict[str, "array[float]"]):
    """Seconds by operation kind; a new kind makes its own array."""

    def __missing__(self, kind: str) -> array[float]:
        batch = self[kind] = array("d")
        return batch


class Recorder:
    """One slice's figures. Sessions append to the batches; :meth:`flush` empties them.

    Attributes
    ----------
    response : response times by kind. Of a closed loop, what completed in the measured time; of an
        open loop, what was planned in it.
    service : the same from the moment of sending; empty in a closed loop, where that is the same.
    lag : how late requests were sent.
    warm : response times of an open loop's operations that were planned before.
    counts : operations by kind that completed in the measured time, whenever they were planned:
        achieved throughput.
    errors, events : failures by kind, and what the workload counts.
    completed : all operations so far, the warm-up included.
    """

    def __init__(self) -> None:
        self.response, self.service, self.warm = Batches(), Batches(), Batches()
        self.lag = array("d")
        self.errors: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.completed = 0
        self.per_second: list[int] = []
        self.counts: Counter[str] = Counter()
        self.elapsed_s = 0.0
        self.cpu_share = 0.0
        self._histograms: dict[str, Histogram] = {}
        self._service_histograms: dict[str, Histogram] = {}
        self._lag_histogram = Histogram()
        self._started = self._begun = self._cpu = 0.0

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

    def end(self) -> None:
        """The measured time ends; what an open loop records later was planned before."""
        self.flush()
        self.elapsed_s = now() - self._begun
        self.cpu_share = (time.process_time() - self._cpu) / self.elapsed_s

    def flush(self) -> None:
        """Move the batches into the histograms and into the current second's count."""
        done = 0
        for batches in (self.response, self.warm):
            for kind, batch in batches.items():
                done += len(batch)
                if not self.elapsed_s:
                    self.counts[kind] += len(batch)
        self.completed += done
        # Called on the second and a hair later: the batch belongs to the second that ended.
        second = max(int(now() - self._started - _HAIR), 0)
        self.per_second += [0] * (second + 1 - len(self.per_second))
        self.per_second[second] += done
        _move(self.response, self._histograms)
        _move(self.service, self._service_histograms)
        self.warm.clear()
        if self.lag:
            self._lag_histogram.record(self.lag)
            del self.lag[:]

    def report(self, judge: Staleness, planned: int | None, unsent: int) -> WorkerReport:
        """Everything that was recorded; ``planned`` is None in a closed loop."""
        response = {kind: histogram.encode() for kind, histogram in self._histograms.items()}
        service = {kind: each.encode() for kind, each in self._service_histograms.items()}
        return WorkerReport(
            elapsed_s=self.elapsed_s,
            histograms=response,
            service=response if planned is None else service,
            send_lag=self._lag_histogram.encode(),
            counts={**self.events, **self.counts},
            errors=dict(+self.errors),
            per_second=tuple(self.per_second),
            judged=judge.judged,
            stale=judge.stale,
            stale_max_age_ms=judge.max_age * 1000,
            cpu_share=self.cpu_share,
            planned=self.counts.total() if planned is None else planned,
            unsent=unsent,
        )


def _move(batches: Batches, histograms: dict[str, Histogram]) -> None:
    for kind, batch in batches.items():
        if batch:
            histograms.setdefault(kind, Histogram()).record(batch)
            # Emptied in place: sessions may hold on to it.
            del batch[:]
