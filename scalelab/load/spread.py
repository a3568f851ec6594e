"""One slice spread over the workers of any ``concurrent.futures`` executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Executor, Future, wait
from dataclasses import replace
from typing import Any

from scalelab.errors import WorkerLost
from scalelab.load import ceiling
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places, WorkerReport

_POLL_S = 0.1


class Spread:
    """Drives slices, one task a worker.

    Parameters
    ----------
    executors : one a worker. One executor several times stands for so many workers of its own.
    """

    where = ""
    """Where the load comes from, in a few words; "" for this machine."""

    def __init__(self, executors: Sequence[Executor]) -> None:
        self._executors = list(executors)

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._executors)

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
        load : the whole slice's; ``load.workers`` beyond the workers or the clients are not used.
        progress : called about ten times a second with the operations completed so far.

        Raises
        ------
        WorkerLost : one of the workers went; the next slice is driven without it, or by another.
        CheckFailed : the workload broke, or no worker is left.
        KeyboardInterrupt : after the workers were told to end their slice.
        """
        load = replace(load, workers=min(load.workers, load.clients, self.workers))
        futures: list[Future[WorkerReport]] = []
        try:
            for worker in range(load.workers):
                futures.append(self._submit(SliceTask(places, workload, options, load, worker)))
            self._watch(futures, progress)
            return tuple(future.result() for future in futures)
        except BrokenExecutor:
            raise self._lost(futures) from None
        except BaseException:
            self._abort(futures)
            raise

    def grow(self) -> bool:
        """Add a worker for the slices to come; False when there are as many as may be."""
        return False

    def noop_ceiling(self) -> float:
        """What one worker can do at most: requests a second that need no server.

        Raises
        ------
        WorkerLost : the worker that was asked went.
        """
        asked: list[Future[float]] = []
        try:
            asked.append(self._measure())
            return asked[0].result()
        except BrokenExecutor:
            raise self._lost(asked) from None

    def begun(self) -> float | None:
        """When the slice's measured time begins (``time.perf_counter``); None: it is not known."""
        return None

    def completed(self) -> int:
        """Operations completed in the present slice so far, the warm-up included."""
        return 0

    def _measure(self) -> Future[float]:
        return self._executors[0].submit(ceiling.measure)

    def _submit(self, task: SliceTask) -> Future[WorkerReport]:
        return self._executors[task.worker].submit(run_slice, task)

    def _watch(
        self, futures: list[Future[WorkerReport]], progress: Callable[[int], None] | None
    ) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, _POLL_S, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()  # one that failed ends the wait for the others
            if pending:
                self._look()
            if progress is not None:
                progress(self.completed())

    def _look(self) -> None:
        """About ten times in each second of a slice."""

    def _abort(self, futures: list[Future[Any]]) -> None:
        """End a slice early. An executor can only take back what has not begun."""
        for future in futures:
            future.cancel()

    def _lost(self, futures: list[Future[Any]]) -> WorkerLost:
        """What to say of a broken executor, after what can be was put right."""
        self._abort(futures)
        return WorkerLost("a load worker died")
