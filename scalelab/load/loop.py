"""The event loop: drives plain coroutines, as cheaply as Python allows.

A coroutine yields what it waits for: a :class:`~scalelab.protocols.Wait` (a socket) or a
:class:`Sleep`. There are no futures, no callbacks and no cancellation scopes: a session of a load
generator needs none of them, and each would cost more than the request it serves.
"""

from __future__ import annotations

import contextlib
import heapq
import select
import selectors
import time
import types
from collections.abc import Coroutine, Generator
from typing import Any, Protocol

from scalelab.protocols import Wait

now = time.perf_counter
"""The one clock of the load side, in seconds."""

_IN, _OUT = 1, 4  # EPOLLIN and EPOLLOUT, spelled out because not every system has them
_BATCH = 256
_COARSE = 0.001


class Sleep:
    """What a coroutine yields to go on at a time of :data:`now`."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until


@types.coroutine
def sleep_until(at: float) -> Generator[Sleep, None, None]:
    """Go on at ``at`` (s, on the clock of :data:`now`)."""
    yield Sleep(at)


class Task:
    """A coroutine in the loop.

    Attributes
    ----------
    waits : what it yielded last; None before the first step and after the last.
    """

    __slots__ = ("coroutine", "fd", "send", "waits")

    def __init__(self, coroutine: Coroutine[Any, None, None]) -> None:
        self.coroutine = coroutine
        self.send = coroutine.send
        self.waits: Wait | Sleep | None = None
        self.fd = -1


class Loop:
    """Runs tasks until a time. A task owns the sockets it waits for: no two share one."""

    def __init__(self) -> None:
        self._poller: _Poller = select.epoll() if hasattr(select, "epoll") else _Selector()
        self._tasks: set[Task] = set()
        self._by_fd: dict[int, Task] = {}
        self._registered: dict[int, Wait] = {}
        self._sleeping: list[tuple[float, int, Task]] = []
        self._order = 0

    def spawn(self, coroutine: Coroutine[Any, None, None]) -> Task:
        """Start a coroutine; it runs at once up to its first wait."""
        task = Task(coroutine)
        self._tasks.add(task)
        self._step(task)
        return task

    @property
    def tasks(self) -> frozenset[Task]:
        """Those that have not ended."""
        return frozenset(self._tasks)

    def run(self, until: float) -> None:
        """Drive the tasks until the time ``until`` (s), or until none is left.

        What a task raises comes out of here, and the task has ended.
        """
        poll, by_fd, sleeping = self._poller.poll, self._by_fd, self._sleeping
        while True:
            at = now()
            while sleeping and sleeping[0][0] <= at:
                self._step(heapq.heappop(sleeping)[2])
            if at >= until or not self._tasks:
                return
            first = sleeping[0][0] if sleeping else until
            for fd, _ in self._wait(poll, (first if first < until else until) - at):
                task = by_fd.get(fd)
                if task is None or task.fd != fd:
                    self._forget(fd)
                    continue
                try:
                    waits = task.send(None)
                except BaseException as end:
                    self._ended(task, end)
                else:
                    if waits is not task.waits:
                        self._park(task, waits)

    def cancel(self, task: Task) -> None:
        """End a task where it stands."""
        self._tasks.discard(task)
        task.waits, task.fd = None, -1
        task.coroutine.close()

    def interrupt(self, task: Task, error: Exception) -> None:
        """Raise an error in a task where it waits."""
        task.fd = -1
        try:
            waits = task.coroutine.throw(error)
        except BaseException as end:
            self._ended(task, end)
        else:
            self._park(task, waits)

    def close(self) -> None:
        """Cancel every task."""
        for task in self.tasks:
            self.cancel(task)
        self._poller.close()

    def _wait(self, poll: Any, timeout: float) -> list[tuple[int, int]]:
        if timeout > _COARSE:
            # epoll counts in whole milliseconds and rounds up: come back early, then look closer.
            events = poll(timeout - 0.001, _BATCH)
        else:
            events = poll(0, _BATCH)
            if not events and timeout > 0:
                select.select((self._poller,), (), (), timeout)
                events = poll(0, _BATCH)
        return events  # type: ignore[no-any-return]

    def _step(self, task: Task) -> None:
        if task not in self._tasks:
            return  # cancelled in its sleep
        try:
            waits = task.send(None)
        except BaseException as end:
            self._ended(task, end)
        else:
            self._park(task, waits)

    def _park(self, task: Task, waits: Wait | Sleep) -> None:
        task.waits = waits
        if type(waits) is Sleep:
            task.fd = -1
            self._order += 1
            heapq.heappush(self._sleeping, (waits.until, self._order, task))
            return
        assert type(waits) is Wait
        fd = task.fd = waits.fd
        self._by_fd[fd] = task
        if self._registered.get(fd) is not waits:
            mask = _OUT if waits.write else _IN
            try:
                self._poller.modify(fd, mask)
            except FileNotFoundError:
                self._poller.register(fd, mask)
            self._registered[fd] = waits

    def _forget(self, fd: int) -> None:
        # Nobody waits here (a server closed an idle connection): left registered, it would wake
        # us for ever.
        self._registered.pop(fd, None)
        with contextlib.suppress(OSError):  # closed since the poll
            self._poller.unregister(fd)

    def _ended(self, task: Task, end: BaseException) -> None:
        self._tasks.discard(task)
        task.waits, task.fd = None, -1
        if not isinstance(end, StopIteration):
            raise end


class _Poller(Protocol):
    """The part of ``select.epoll`` the loop needs."""

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]: ...
    def register(self, fd: int, mask: int, /) -> None: ...
    def modify(self, fd: int, mask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class _Selector:
    """Looks like epoll, on systems that have something else (macOS: kqueue)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        return [(key.fd, mask) for key, mask in self._selector.select(timeout)]

    def register(self, fd: int, mask: int, /) -> None:
        self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int, /) -> None:
        # A socket closed and made again may have its old number: only anew is it surely watched.
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int, /) -> None:
        try:
            self._selector.unregister(fd)
        except KeyError:
            raise FileNotFoundError(fd) from None

    def fileno(self) -> int:
        return self._selector.fileno()

    def close(self) -> None:
        self._selector.close()


def _events(mask: int) -> int:
    return selectors.EVENT_READ if mask == _IN else selectors.EVENT_WRITE
