"""Worker processes on this machine that share a few words of memory with this one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_any
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from scalelab.errors import WorkerLost
from scalelab.load.shared import Shared
from scalelab.load.spread import Spread
from scalelab.load.worker import SliceTask
from scalelab.model import WorkerReport

_ABORT_S = 1.5


class Pool(Spread):
    """Worker processes that stay for a whole run; they die with this process, however it ends.

    An interrupt ends a slice within moments, a second one kills the workers. One that dies is
    replaced.

    Parameters
    ----------
    workers : how many processes to begin with.
    most : how many it may grow to; no more than ``workers`` by default.
    """

    def __init__(self, workers: int, most: int | None = None) -> None:
        # One process each, so that a worker's part of a slice is always the same process's.
        super().__init__(())
        self._first, self._most = workers, max(workers, most or workers)
        self._context = multiprocessing.get_context("spawn")
        self._shared = Shared(self._context, self._most)
        # Nothing is ever sent: the workers see it close when we are gone.
        self._lifeline, self._life = self._context.Pipe(duplex=False)
        self._processes: set[BaseProcess] = set()

    def __enter__(self) -> Pool:
        self._start(self._first)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def grow(self) -> bool:
        """Add a worker for the slices to come; False when there are as many as may be."""
        if self.workers >= self._most:
            return False
        self._start(1)
        return True

    def begun(self) -> float | None:
        """When the slice's measured time begins (``time.perf_counter``); None if not known yet."""
        return self._shared.begun()

    def completed(self) -> int:
        """Operations completed in the present slice so far, the warm-up included."""
        return sum(self._shared.completed)

    def kill(self) -> None:
        """End the workers at once."""
        for process in self._processes:
            process.kill()
        self._life.close()
        self._lifeline.close()
        for executor in self._executors:
            executor.shutdown(wait=True, cancel_futures=True)

    def _start(self, workers: int) -> None:
        """Start so many workers more, and wait until they are there."""
        others = set(multiprocessing.active_children())
        arguments = (self._shared, self._lifeline)
        # A worker inherits the mask: Ctrl-C is for us alone, also while workers still import.
        with _without_interrupts():
            fresh = [
                ProcessPoolExecutor(
                    1, mp_context=self._context, initializer=_enter, initargs=arguments
                )
                for _ in range(workers)
            ]
            self._executors += fresh
            started = [executor.submit(os.getpid) for executor in fresh]
        self._processes |= set(multiprocessing.active_children()) - others
        try:
            wait(started)
        except BaseException:
            self.kill()
            raise

    def _submit(self, task: SliceTask) -> Future[WorkerReport]:
        if task.worker == 0:
            self._shared.reset()
        return super()._submit(task)

    def _abort(self, futures: list[Future[Any]]) -> None:
        self._shared.stop()
        try:
            _, late = wait(futures, _ABORT_S)
        except BaseException:
            self.kill()
            raise
        if late:
            self.kill()

    def _lost(self, futures: list[Future[Any]]) -> WorkerLost:
        """All of them anew: the others are in the middle of a slice that nobody wants any more."""
        ended = sorted({p.exitcode for p in self._processes if p.exitcode is not None})
        workers = self.workers
        self.kill()
        self._executors, self._processes = [], set()
        self._lifeline, self._life = self._context.Pipe(duplex=False)
        self._start(workers)
        return WorkerLost(
            f"a load worker died{''.join(f' ({_how(code)})' for code in ended[:1])}",
            "perhaps the machine ran out of memory: see its log",
        )


def _how(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _enter(shared: Shared, lifeline: Connection) -> None:
    """The first thing in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shared.adopt()
    parent = multiprocessing.parent_process()
    ends: list[Any] = [lifeline] if parent is None else [lifeline, parent.sentinel]

    def watch() -> None:
        wait_any(ends)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
