"""A few words of memory that a pool and its workers share. Written without locks, each by one."""

from __future__ import annotations

import time
from multiprocessing.context import SpawnContext
from typing import Any

_MEET_S = 15.0
_current: Shared | None = None


class Shared:
    """Live counts from the workers, and the pool's word to stop.

    Parameters
    ----------
    workers : how many slots there are.
    """

    def __init__(self, context: SpawnContext, workers: int) -> None:
        self.completed: Any = context.RawArray("q", workers)
        self._arrived: Any = context.RawArray("b", workers)
        self._stop: Any = context.RawValue("b", 0)
        self._begun: Any = context.RawValue("d", 0.0)

    @staticmethod
    def current() -> Shared | None:
        """What this worker process shares; None in a process that no pool of ours started."""
        return _current

    def adopt(self) -> None:
        """Make this the worker process's own."""
        global _current
        _current = self

    @staticmethod
    def leave() -> None:
        """This process shares nothing any more."""
        global _current
        _current = None

    def reset(self) -> None:
        """Before a slice (the pool's side)."""
        for slot in range(len(self.completed)):
            self.completed[slot] = self._arrived[slot] = 0
        self._stop.value = 0
        self._begun.value = 0.0

    def stop(self) -> None:
        """Tell the workers to end their slice."""
        self._stop.value = 1

    def begins(self, at: float) -> None:
        """The measured time begins then, on the clock of ``time.perf_counter`` (the machine's)."""
        self._begun.value = at

    def begun(self) -> float | None:
        """When the measured time begins; None until the workers have met."""
        return self._begun.value or None

    def stopped(self) -> bool:
        return bool(self._stop.value)

    def meet(self, worker: int, workers: int) -> None:
        """Wait until all workers of the slice are ready, so that they drive at the same time."""
        self._arrived[worker] = 1
        deadline = time.monotonic() + _MEET_S
        while sum(self._arrived[:workers]) < workers and not self.stopped():
            if time.monotonic() > deadline:
                return  # one that comes late or never shows in its own report
            time.sleep(0.001)
