"""Load workers on other machines: the workers of a Dask cluster, driven through its scheduler.

A worker's part of a slice is one task, pinned to the very process that was asked before the run:
Dask would run a lost task again elsewhere, and half a slice twice measures nothing. What workers
on one machine learn from shared memory these are told by calls beside the task. They start when
all are ready, within a call of each other, and only durations come back: clocks need not agree.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scalelab.errors import CheckFailed, EnvironmentLacks, WorkerLost
from scalelab.load import ceiling, remote_worker
from scalelab.load.spread import Spread
from scalelab.load.worker import SliceTask
from scalelab.model import Load, Places, WorkerReport

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_S = 10.0
_REACH_S = 60.0
_READY_S = 30.0
_ATTEND_S = 0.5
_SILENT_S = 3.0
_MARGIN_S = 60.0
_ABORT_S = 1.5


@dataclass(frozen=True)
class _Member:
    """A worker: where it is, and which process it is."""

    address: str
    process: str


class Remote(Spread):
    """The workers of a Dask cluster, as many as there are when it is entered.

    Parameters
    ----------
    address : of its scheduler, ``tcp://host:port`` or ``tls://host:port``. The certificates of TLS
        are Dask's own setting (``distributed.comm.tls``).

    Raises
    ------
    EnvironmentLacks : on entry: Dask is not installed, no scheduler answers, there is no worker, or
        one has no scalelab of this version.
    """

    def __init__(self, address: str) -> None:
        super().__init__(())
        self._address = address
        self.where = f"Dask workers of {address}"
        self._crew: list[_Member] = []
        self._reached: set[tuple[_Member, str]] = set()
        self._begin()

    def __enter__(self) -> Remote:
        self._client = _connect(self._address)
        try:
            self._crew = _crew(self._client, self._address)
            self._executors = [
                self._client.get_executor(
                    workers=[member.address], allow_other_workers=False, pure=False, retries=0
                )
                for member in self._crew
            ]
        except BaseException:
            self._client.close(timeout=1)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close(timeout=1)

    def run(
        self,
        places: Places,
        workload: str,
        options: Mapping[str, float | int | str | bool],
        load: Load,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[WorkerReport, ...]:
        """As :meth:`Spread.run`; before the first slice every worker must reach every node.

        Raises
        ------
        EnvironmentLacks : a worker does not reach a node.
        """
        self._begin()
        self._until = time.monotonic() + load.warmup_s + load.duration_s + _MARGIN_S
        try:
            self._reach(places)
            return super().run(places, workload, options, load, progress)
        except WorkerLost as loss:
            raise self._without(loss) from None
        except (OSError, CancelledError) as gone:
            raise CheckFailed(
                f"the Dask scheduler at {self._address} was lost in the middle of a slice",
                "see its log; the workers end their slice by themselves",
            ) from gone

    def completed(self) -> int:
        return sum(completed for _, completed in self._heard.values())

    def _begin(self) -> None:
        """Forget the slice before."""
        self._slice = uuid.uuid4().hex
        self._tasks: dict[Future[Any], _Member] = {}
        self._heard: dict[str, tuple[bool, int]] = {}
        self._asked: Future[dict[str, tuple[bool, int] | None]] | None = None
        self._asked_at, self._go = time.monotonic(), False
        self._ready_by = self._asked_at + _READY_S
        self._missing: dict[_Member, str] = {}

    def _submit(self, task: SliceTask) -> Future[WorkerReport]:
        member = self._crew[task.worker]
        ticket = remote_worker.Ticket(member.process, self._slice)
        future = self._call(member, remote_worker.drive, task, ticket)
        self._tasks[future] = member
        return future

    def _measure(self) -> Future[float]:
        return self._call(self._crew[0], ceiling.measure)

    def _call(self, member: _Member, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        executor = self._executors[self._crew.index(member)]
        return executor.submit(_opener(), pickle.dumps((function, arguments)))

    def _reach(self, places: Places) -> None:
        """Raise EnvironmentLacks where a worker cannot reach a node; asked once for each."""
        asked = {
            member: self._call(member, remote_worker.unreachable, places)
            for member in self._crew
            if any((member, str(place.client)) not in self._reached for place in places.values())
        }
        _, late = wait(asked.values(), _REACH_S)
        for future in late:
            future.cancel()
        busy = [member for member, future in asked.items() if future in late]
        self._miss(busy, f"it did nothing within {_REACH_S:g} s: busy with something else?")
        for member, future in asked.items():
            for name in future.result():
                raise EnvironmentLacks(
                    f"the load worker {member.address} does not reach the node {name} at "
                    f"{places[name].client}",
                    "nodes listen on 127.0.0.1 only: start the workers on this machine",
                )
            self._reached |= {(member, str(place.client)) for place in places.values()}

    def _look(self) -> None:
        """See that all are there, tell them that this end is, and hear how far they are."""
        now = time.monotonic()
        if now < self._asked_at + (_ATTEND_S if self._go else 0):
            return
        driving = [member for future, member in self._tasks.items() if not future.done()]
        there = self._soon(self._client.nthreads).result(_ANSWER_S)
        self._miss((m for m in driving if m.address not in there), "it left its scheduler")
        if now > self._until:
            self._miss(driving, "it did not report in time")
        if self._asked is not None and self._asked.done():
            answers = self._asked.result()
            self._heard.update({where: said for where, said in answers.items() if said})
            self._asked = None
        waiting = [m for m in driving if not self._heard.get(m.address, (False, 0))[0]]
        if not self._go and waiting and now > self._ready_by:
            self._miss(waiting, f"it was not ready within {_READY_S:g} s")
        # One machine that is silent must not keep the others from hearing from us.
        if self._asked is None or now > self._asked_at + _SILENT_S:
            self._go = self._go or not waiting
            self._asked = self._attend(go=self._go)
            self._asked_at = now

    def _miss(self, members: Iterable[_Member], why: str) -> None:
        self._missing.update(dict.fromkeys(members, why))
        for member in self._missing:
            raise WorkerLost(f"{member.address}: {why}")

    def _attend(self, **words: bool) -> Future[Any]:
        there = [m.address for m in self._tasks.values() if m not in self._missing]
        call = partial(self._client.run, remote_worker.attend, self._slice, **words)
        return self._soon(call, workers=there, on_error="ignore")

    def _soon(self, call: Callable[..., Any], **options: Any) -> Future[Any]:
        """Call the client in its own event loop: here one must not wait for who may be dead."""

        async def calling() -> Any:
            return await call(**options)

        return asyncio.run_coroutine_threadsafe(calling(), self._client.loop.asyncio_loop)

    def _abort(self, futures: list[Future[Any]]) -> None:
        for future, member in self._tasks.items():
            if member in self._missing:
                future.cancel()
        self._attend(stop=True)
        try:
            wait(futures, _ABORT_S)
        finally:
            for future in futures:
                future.cancel()

    def _without(self, loss: WorkerLost) -> CheckFailed:
        """Go on with the workers that are left: what to raise for those that are not."""
        for future, member in self._tasks.items():
            if future.done() and not future.cancelled():
                problem = future.exception()
                if isinstance(problem, WorkerLost):
                    self._missing[member] = problem.message
        why = "; ".join(f"{member.address}: {why}" for member, why in self._missing.items())
        kept = [
            (member, executor)
            for member, executor in zip(self._crew, self._executors, strict=True)
            if member not in self._missing
        ]
        self._crew = [member for member, _ in kept]
        self._executors = [executor for _, executor in kept]
        if not kept:
            return CheckFailed(
                f"the last load worker was lost ({why})",
                f"see its log, and that of {self._address}",
            )
        return WorkerLost(f"a load worker was lost ({why or loss.message})")


def _connect(address: str) -> Client:
    try:
        import distributed
    except ImportError:
        raise EnvironmentLacks(
            f"load from {address} takes Dask, which is not installed",
            "pip install 'scalelab[dask]'",
        ) from None
    # Dask tells what goes on between its parts; what matters of it is said here.
    for name in ("distributed", "tornado"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    if address.startswith("tls://") and not _certified():
        raise EnvironmentLacks(
            f"there are no certificates to connect to {address} with",
            "name them in Dask's own settings, distributed.comm.tls.client and ca-file",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as other versions of Dask at the other end
            connect = partial(distributed.Client, address, timeout=_ANSWER_S, set_as_default=False)
            return _within(_ANSWER_S + 1, connect)
    except OSError:
        raise EnvironmentLacks(
            f"no Dask scheduler answers at {address}",
            "start one there with: dask scheduler; and a worker with: dask worker ADDRESS",
        ) from None


def _certified() -> bool:
    """Whether Dask's settings name certificates that can be read."""
    from distributed import Security

    try:
        return Security().get_connection_args("client").get("ssl_context") is not None
    except (OSError, TypeError, ValueError):
        return False


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Call it, or raise TimeoutError: Dask waits for ever for the first word of who accepts."""
    outcome: Future[Any] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as problem:
            outcome.set_exception(problem)

    threading.Thread(target=work, daemon=True).start()
    return outcome.result(seconds)


def _crew(client: Client, address: str) -> list[_Member]:
    """The workers there are, one a process."""
    hint = f"start one with: dask worker {address}"
    found = client.run(remote_worker.introduce, on_error="return")
    if not found:
        raise EnvironmentLacks(f"the Dask scheduler at {address} has no workers", hint)
    mine = version("scalelab")
    members: dict[str, _Member] = {}
    for worker, answer in sorted(found.items()):
        if isinstance(answer, Exception):
            raise EnvironmentLacks(
                f"the load worker {worker} has no scalelab {mine}: {answer}",
                f"install it there: pip install 'scalelab[dask]=={mine}'",
            )
        theirs, process = answer
        if theirs != mine:
            raise EnvironmentLacks(
                f"the load worker {worker} has scalelab {theirs}, not {mine}",
                f"install it there: pip install 'scalelab[dask]=={mine}'",
            )
        members.setdefault(process, _Member(worker, process))
    return list(members.values())


def _opener() -> Callable[[bytes], Any]:
    """What calls a pickled function. Not importable, so that Dask sends it by value.

    Dask's scheduler reads every task: only so it can do without scalelab.
    """

    def call(pickled: bytes) -> Any:
        import pickle

        function, arguments = pickle.loads(pickled)
        return function(*arguments)

    return call
