"""A slice of load whose end is a condition, not a time; and when the machine itself was late."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from scalelab.errors import RequestFailed
from scalelab.load import worker
from scalelab.load.shared import Shared
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places, WorkerReport
from scalelab.protocols import SessionContext

_PATIENCE_S = 120.0


class Asks:
    """One request an operation; knows of every session what it got done, and what failed."""

    summary, keys, distribution = "", 100, "uniform"

    def __init__(self, service: str) -> None:
        self.service = service
        self.done: Counter[int] = Counter()
        self.failed: dict[int, list[str]] = defaultdict(list)
        self.asked = 0
        self.asking: Callable[[int], object] = lambda number: None
        """Called before each request, in the loop, with how many there were before."""

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        connection = context.connect(self.service)
        if self.service == "postgres":
            connection.prepare("ask", "SELECT $1::int")

        async def ask() -> None:
            if self.service == "postgres":
                await connection.execute("ask", context.next_key())
            else:
                await connection.get(context.next_key())

        class Session:
            async def operate(_) -> str:  # noqa: N805 (self is the workload)
                self.asking(self.asked)
                self.asked += 1
                try:
                    await ask()
                except RequestFailed as failure:
                    self.failed[context.number].append(failure.kind)
                    raise
                self.done[context.number] += 1
                return "read"

        return Session()

    def task(self, places: Places, load: Load, patch: pytest.MonkeyPatch) -> SliceTask:
        """A slice of it."""
        patch.setattr(worker, "find_workload", lambda name: self)
        return SliceTask(places, "asks", {}, load, 0)

    def goes_on(self, clients: int) -> None:
        """Wait until each session has got something done from here on."""
        before = self.done.copy()
        until(lambda: all(self.done[number] > before[number] for number in range(clients)))


def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)


def drive_until(task: SliceTask, *kinds: str) -> WorkerReport:
    """Drive a slice, and others with other seeds, until one has operations of all these kinds.

    A kind is one of operations or of failures. On a busy machine a slice may be over before the
    rarer ones have come.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        report = run_slice(task)
        if all({**report.counts, **report.errors}.get(kind, 0) > 0 for kind in kinds):
            return report
        assert time.monotonic() < deadline, f"no slice had all of {kinds}: {report.counts}"
        task = replace(task, load=replace(task.load, seed=task.load.seed + 1))


def drive_while(task: SliceTask, act: Callable[[], object]) -> WorkerReport:
    """Drive a slice as long as ``act`` takes, in a thread of its own.

    What is under way as it ends is told as "no answer".
    """
    shared = Shared(multiprocessing.get_context("spawn"), 1)
    problems: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as problem:
            problems.append(problem)
        finally:
            shared.stop()

    thread = threading.Thread(target=acting)
    shared.adopt()
    thread.start()
    try:
        report = run_slice(task)
    finally:
        thread.join()
        Shared.leave()
    if problems:
        raise problems[0]
    return report


class Probe:
    """How late this process was woken, at worst, while it was looked at (s)."""

    worst_s = 0.0


@contextlib.contextmanager
def probing() -> Iterator[Probe]:
    """Sleep again and again in a thread beside the block, and see how long that takes."""
    probe, over = Probe(), threading.Event()

    def look() -> None:
        while not over.is_set():
            due = time.perf_counter() + 0.002
            time.sleep(0.002)
            probe.worst_s = max(probe.worst_s, time.perf_counter() - due)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield probe
    finally:
        over.set()
        thread.join()
