"""What one worker can do at most: requests that need no server.

The very worker that drives a slice drives sessions whose request is one byte to the other end of
their own socket pair: one send, one turn of the event loop, one receive, recorded like any request.
No server can be seen to answer faster.
"""

from __future__ import annotations

import socket
from collections.abc import Generator, Mapping
from typing import Any, Protocol

from scalelab.load.worker import SliceTask, run_slice
from scalelab.model import Load, Places
from scalelab.protocols import Connection, SessionContext, Wait

_SESSIONS, _WARMUP_S, _MEASURED_S = 8, 0.05, 0.3
_KIND = "no-op"


def measure() -> float:
    """No-op requests in a second of CPU time of this process; takes 0.4 s.

    CPU time, because elapsed time would count what others took from this core as ours.
    """
    load = Load(_SESSIONS, None, _MEASURED_S, _WARMUP_S, seed=0)
    report = run_slice(SliceTask({}, __file__, {}, load, 0))
    return report.counts[_KIND] / (report.cpu_share * report.elapsed_s)


class _Context(SessionContext, Protocol):
    connections: list[Connection]
    """Closed by the worker after the slice."""


class _NoOp:
    summary, keys, distribution = "requests that need no server", 1, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> tuple[int, ...]:
        return ()

    def session(self, context: _Context, options: Mapping[str, Any]) -> _Session:
        pair = _Pair()
        context.connections.append(pair)
        return _Session(pair)


class _Pair:
    """A connection to itself."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.readable = Wait(self.near.fileno())

    async def open(self) -> None: ...

    def close(self) -> None:
        self.near.close()
        self.far.close()

    def __await__(self) -> Generator[Wait, None, None]:
        self.far.send(b"x")
        yield self.readable
        self.near.recv(1)


class _Session:
    def __init__(self, pair: _Pair) -> None:
        self._pair = pair

    async def operate(self) -> str:
        await self._pair
        return _KIND


WORKLOAD = _NoOp()
