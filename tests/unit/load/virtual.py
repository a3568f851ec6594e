"""A slice in virtual time: the worker's own code, on a clock that jumps to whatever comes next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from scalelab.load import loop as loop_module
from scalelab.load import recorder, worker
from scalelab.load.loop import Loop
from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places, WorkerReport
from scalelab.protocols import SessionContext

Operate = Callable[[SessionContext], Awaitable[str]]


class Clock:
    """Its time passes only while a loop waits, and then at once."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def wait(self, loop: Loop, poll: Any, timeout: float) -> list[tuple[int, int]]:
        """Instead of the loop's own wait: no socket is ever ready."""
        # A difference of floats may be too small to move the sum.
        self.at += max(timeout, 1e-9)
        return []


class Operations:
    """A workload whose sessions do ``operate``."""

    summary, keys, distribution = "", 1, "uniform"

    def __init__(self, operate: Operate) -> None:
        self.operate = operate

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        operate = self.operate

        class Session:
            async def operate(self) -> str:
                return await operate(context)

        return Session()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (loop_module, worker, recorder):
        monkeypatch.setattr(module, "now", clock)
    # Bound to no loop: the clock is given which one waits.
    monkeypatch.setattr(Loop, "_wait", lambda loop, *what: clock.wait(loop, *what))
    return clock


def drive(monkeypatch: pytest.MonkeyPatch, operate: Operate, load: Load) -> WorkerReport:
    """One slice of these operations; the fixture ``clock`` has to be there."""
    monkeypatch.setattr(worker, "find_workload", lambda name: Operations(operate))
    return run_slice(SliceTask({}, "virtual", {}, load, 0))
