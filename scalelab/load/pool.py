"""Worker processes on this machine, and one slice spread over them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_any
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from scalelab.errors import CheckFailed
from scalelab.load.shared import Shared
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places, WorkerReport

_POLL_S = 0.1
_ABORT_S = 1.5


class Pool:
    """Worker processes that stay for a whole run; they die with this process, however it ends.

    Parameters
    ----------
    workers : how many processes to begin with.
    most : how many it may grow to; no more than ``workers`` by default.
    """

    def __init__(self, workers: int, most: int | None = None) -> None:
        self.workers = workers
        self._most = max(workers, most or workers)
        self._context = multiprocessing.get_context("spawn")
        self._shared = Shared(self._context, self._most)
        # Nothing is ever sent: the workers see it close when we are gone.
        self._lifeline, self._life = self._context.Pipe(duplex=False)
        # One process each, so that a worker's part of a slice is always the same process's.
        self._executors: list[ProcessPoolExecutor] = []
        self._processes: set[BaseProcess] = set()

    def __enter__(self) -> Pool:
        self._start(self.workers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def run(
        self,
        places: Places,
        workload: str,
        options: Mapping[str, float | int | str | bool],
        load: Load,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[WorkerReport, ...]:
        """Drive one slice: clients and rate are spread over the workers.

        Parameters
        ----------
        workload : its name; options : the variant's options for it.
        load : the whole slice's; ``load.workers`` beyond the pool's or the clients' are not used.
        progress : called about ten times a second with the operations completed so far.

        Raises
        ------
        CheckFailed : the workload broke, or a worker died. The pool is of no more use then.
        KeyboardInterrupt : after the workers ended their slice; a second one kills them.
        """
        load = replace(load, workers=min(load.workers, load.clients, self.workers))
        self._shared.reset()
        tasks = [SliceTask(places, workload, options, load, n) for n in range(load.workers)]
        futures = [
            executor.submit(run_slice, task)
            for executor, task in zip(self._executors, tasks, strict=False)
        ]
        try:
            self._watch(futures, progress)
            return tuple(future.result() for future in futures)
        except BrokenProcessPool:
            self._abort(futures)
            raise CheckFailed(
                "a load worker died", "perhaps the machine ran out of memory: see its log"
            ) from None
        except BaseException:
            self._abort(futures)
            raise

    def grow(self) -> bool:
        """Add a worker for the slices to come; False when there are as many as may be."""
        if self.workers >= self._most:
            return False
        self._start(1)
        self.workers += 1
        return True

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

    def _watch(self, futures: list[Future[Any]], progress: Callable[[int], None] | None) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _POLL_S, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()  # one that failed ends the wait for the others
            if progress is not None:
                progress(self.completed())

    def _abort(self, futures: list[Future[Any]]) -> None:
        self._shared.stop()
        try:
            _, late = wait(futures, _ABORT_S)
        except BaseException:
            self.kill()
            raise
        if late:
            self.kill()


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
