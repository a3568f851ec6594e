"""One worker's part of one slice: many sessions, one event loop, one report."""

from __future__ import annotations

import functools
import gc
import importlib
import itertools
import operator
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from scalelab import userfile
from scalelab.errors import CheckFailed, RequestFailed, ScalelabError
from scalelab.load import schedule
from scalelab.load.keys import Keys
from scalelab.load.loop import Loop, Sleep, now, sleep_until
from scalelab.load.recorder import Recorder
from scalelab.load.shared import Shared
from scalelab.measure.checkers.lost_writes import Adds
from scalelab.measure.checkers.register import Client, Registers
from scalelab.measure.checkers.sessions import SessionHistory
from scalelab.measure.checkers.stale_reads import Staleness
from scalelab.model import Load, Place, Places, WorkerReport
from scalelab.protocols import Connection, History, Session, Workload

_CONNECT_S = 10.0
_GRACE_S = 2.0
ANSWER_S = 5.0
"""Seconds after which a client gives a request up and its connection with it."""
_TICK_S = 0.01
_SESSION_BITS = 16
_TICKS_A_FLUSH = 10
_BACKOFF_S = (0.01, 0.5)

# Distinct streams of one seed: one a purpose, so that no two draw the same numbers.
_ARRIVALS, _READ_KEYS, _OWN_KEYS = range(3)


@dataclass(frozen=True)
class SliceTask:
    """What a worker has to do; plain data that crosses processes and machines.

    Parameters
    ----------
    workload : its name, a file of ``scalelab/workloads``, or the path of a file elsewhere.
    options : the variant's options for it.
    load : of the whole slice; ``load.workers`` tasks make it up.
    worker : which of them this is, from 0.
    """

    places: Places
    workload: str
    options: Mapping[str, float | int | str | bool]
    load: Load
    worker: int


def find_workload(name: str) -> Workload:
    """The workload of that name; one that ends in ``.py`` is the path of its file."""
    if not name.endswith(".py"):
        return cast(Workload, importlib.import_module(f"scalelab.workloads.{name}").WORKLOAD)
    return cast(Workload, userfile.read(Path(name), "WORKLOAD"))


def connect(place: Place) -> Connection:
    """A connection to a node, by the client of its service. Nothing is sent yet."""
    module = importlib.import_module(f"scalelab.clients.{place.node.service}")
    return cast(Connection, module.Connection(place))


def run_slice(task: SliceTask) -> WorkerReport:
    """Drive the workload for one slice and report.

    Top-level and self-contained: any ``concurrent.futures`` executor can run it.
    """
    try:
        return _run(task)
    except ScalelabError:
        raise
    except Exception as problem:
        # A workload is anybody's code: whatever it raises is translated here.
        raise CheckFailed(
            f"the workload {task.workload} failed: {type(problem).__name__}: {problem}",
            details=traceback.format_exc().splitlines(),
        ) from None


def _run(task: SliceTask) -> WorkerReport:
    workload = find_workload(task.workload)
    versions = workload.versions(task.places)
    judge = Staleness(versions, now(), task.worker, task.load.workers)
    registers = Registers(lambda key: versions[key])
    worker = _Slice(task, workload, judge, registers, Shared.current())
    # Nothing here makes cycles worth collecting, and a collection is a pause for every session.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return worker.run()
    finally:
        worker.close()
        gc.enable()
        gc.unfreeze()


class _Context:
    """What a session is given (see ``protocols.SessionContext``)."""

    def __init__(
        self,
        task: SliceTask,
        number: int,
        keys: Keys,
        history: History,
        registers: Registers,
        events: Counter[str],
    ) -> None:
        load = task.load
        self.places = task.places
        self.random = random.Random(f"{load.seed}/{number}")
        self.history = history
        self.number = number
        self.sessions = load.clients
        self.now: Callable[[], float] = now
        own = keys.own_stream((load.seed, _OWN_KEYS, number), task.worker, load.workers)
        self.next_key: Callable[[], int] = keys.stream((load.seed, _READ_KEYS, number)).__next__
        self.next_own_key: Callable[[], int] = own.__next__
        self.connections: list[Connection] = []
        self.adds = Adds(load.seed << _SESSION_BITS | number, now())
        self.guarantees = SessionHistory(number)
        self.registers = Client(registers, number)
        self._events = events

    def connect(self, node: str) -> Any:
        connection = connect(self.places[node])
        self.connections.append(connection)
        return connection

    def sleep(self, seconds: float) -> Awaitable[None]:
        return sleep_until(now() + seconds)

    def count(self, what: str) -> None:
        self._events[what] += 1


class _Slice:
    def __init__(
        self,
        task: SliceTask,
        workload: Workload,
        judge: Staleness,
        registers: Registers,
        shared: Shared | None,
    ) -> None:
        self._task, self._load = task, task.load
        self._judge, self._registers, self._shared = judge, registers, shared
        self._parts = () if self._load.rate is None else schedule.parts(self._load)
        self._loop, self._recorder = Loop(), Recorder(len(self._parts))
        self._contexts: list[_Context] = []
        self._sessions: list[Session] = []
        self._over_at = 0.0
        self._waiting: dict[Any, float] = {}
        self._arrivals: Iterator[tuple[float, int]] = iter(())
        keys = Keys(workload.keys, workload.distribution)
        for number in range(task.worker, self._load.clients, self._load.workers):
            context = _Context(task, number, keys, judge, registers, self._recorder.events)
            self._contexts.append(context)
            self._sessions.append(workload.session(context, task.options))

    def run(self) -> WorkerReport:
        self._connect()
        if self._shared is not None:
            self._shared.meet(self._task.worker, self._load.workers)
        load, recorder, start = self._load, self._recorder, now()
        begin_at = start + load.warmup_s
        durations = [part.duration_s for part in self._parts[1:]] or [load.duration_s]
        stage_ends = [begin_at + seconds for seconds in itertools.accumulate(durations)]
        self._over_at = stage_ends[-1]
        if self._shared is not None and self._task.worker == 0:
            self._shared.begins(begin_at)
        recorder.start(start)
        self._spawn(start)
        self._drive(begin_at)
        recorder.begin()
        self._judge.begin()
        for at in stage_ends:
            self._drive(at)
            recorder.stage_ends()
        recorder.end()
        # Requests under way may finish: cut off, a write would be neither done nor undone.
        self._loop.run(now() + (0 if self._stopped() else _GRACE_S))
        self._loop.close()
        for _, part in self._arrivals:
            recorder.parts[part].unsent += 1
        recorder.flush()
        adds = tuple(context.adds for context in self._contexts if context.adds.attempts)
        for each in adds:
            each.end(now())
        seen = [context.guarantees.result() for context in self._contexts]
        guarantees = functools.reduce(operator.add, seen)
        told = guarantees.judged + guarantees.unjudged > 0
        registers = self._registers.result()
        used = registers.judged + registers.unjudged > 0
        return recorder.report(
            self._judge, guarantees if told else None, adds, registers if used else None
        )

    def close(self) -> None:
        self._loop.close()
        for context in self._contexts:
            for connection in context.connections:
                connection.close()

    def _connect(self) -> None:
        """Connect every session. Who fails will try again as part of its first operation."""

        async def opening(connections: list[Connection]) -> None:
            for connection in connections:
                try:
                    await connection.open()
                except RequestFailed:
                    return

        for context in self._contexts:
            self._loop.spawn(opening(context.connections))
        deadline = now() + _CONNECT_S
        while self._loop.tasks and now() < deadline and not self._stopped():
            self._loop.run(now() + _TICK_S)
        for task in self._loop.tasks:
            self._loop.cancel(task)

    def _spawn(self, start: float) -> None:
        load = self._load
        if self._parts:
            worker = self._task.worker
            self._arrivals = schedule.arrivals(
                load.arrivals, self._parts, (load.seed, _ARRIVALS, worker), worker, load.workers
            )
        for session, context in zip(self._sessions, self._contexts, strict=True):
            if self._parts:
                self._loop.spawn(self._open(session, context.random, start))
            else:
                self._loop.spawn(self._closed(session, context.random))

    def _drive(self, until: float) -> None:
        """Run the loop until then, in ticks that watch the loop, the counts and the parent."""
        recorder, tick = self._recorder, 0
        origin = now()
        while not self._stopped():
            tick += 1
            due = min(origin + tick * _TICK_S, until)
            self._loop.run(due)
            if self._load.rate is None:
                # Nothing is planned in a closed loop; how late the loop comes is what can be told.
                recorder.lag.append(now() - due)
            if due == until:
                return
            if tick % _TICKS_A_FLUSH == 0:
                recorder.flush()
                self._end_silence()
                if self._shared is not None:
                    self._shared.completed[self._task.worker] = recorder.completed

    def _end_silence(self) -> None:
        """Interrupt operations that have waited for an answer for too long.

        An operation is a coroutine of its own: the same one as long ago is one that has not ended.
        Looked at ten times a second, so that an operation that is answered pays nothing for it.
        """
        at, waiting = now(), self._waiting
        self._waiting = {}
        for task in self._loop.tasks:
            if type(task.waits) is Sleep:
                continue
            operation = getattr(task.coroutine, "cr_await", None)
            since = waiting.get(operation, at)
            if at - since < ANSWER_S:
                self._waiting[operation] = since
            else:
                self._loop.interrupt(task, TimeoutError(f"no answer within {ANSWER_S:g} s"))

    def _stopped(self) -> bool:
        return self._shared is not None and self._shared.stopped()

    async def _closed(self, session: Session, chance: random.Random) -> None:
        operate, response, over_at = session.operate, self._recorder.response, self._over_at
        failures, started = 0, now()
        while True:
            try:
                kind = await operate()
            except RequestFailed as failure:
                if now() >= over_at:
                    return
                self._recorder.errors[failure.kind] += 1
                failures = await self._back_off(failure, failures, chance)
                started = now()
                continue
            except GeneratorExit:
                self._recorder.errors["no answer"] += 1
                raise
            ended = now()
            if ended >= over_at:
                return
            response[kind].append(ended - started)
            started, failures = ended, 0

    async def _open(self, session: Session, chance: random.Random, start: float) -> None:
        operate, parts = session.operate, self._recorder.parts
        failures, free = 0, now()
        # All sessions draw from the one schedule: who is free takes the next arrival and waits for
        # its time, or is late already. That is a queue, first come first served.
        for offset, number in self._arrivals:
            planned, part = start + offset, parts[number]
            if free < planned:
                await sleep_until(planned)
            elif free >= self._over_at:
                part.unsent += 1
                return
            part.sent += 1
            sent = now()
            try:
                kind = await operate()
            except RequestFailed as failure:
                part.errors[failure.kind] += 1
                failures = await self._back_off(failure, failures, chance)
                free = now()
                continue
            except GeneratorExit:
                part.errors["no answer"] += 1
                raise
            finished = now()
            part.moments[kind].extend((planned, free, sent, finished))
            failures, free = 0, finished

    async def _back_off(self, failure: RequestFailed, failures: int, chance: random.Random) -> int:
        """After a lost connection wait, longer each time; how often it failed in a row."""
        if not failure.lost:
            return failures
        shortest, longest = _BACKOFF_S
        await sleep_until(now() + min(shortest * 2**failures, longest) * chance.uniform(0.5, 1))
        return min(failures + 1, 10)
