"""The learner's way to PostgreSQL servers: statements are counted on it, and it can be cut at one.

A process that is killed at a random moment hardly ever dies between two statements. Cut at every
statement in turn, before the server has it or before its answer is back, an answer has been through
every moment there is (as T. Pillai et al. do for file systems, "All file systems are not created
equal", OSDI 2014).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType

from scalelab.model import Address, Place

_CHUNK = 65_536
# What begins a statement in the protocol: a simple query, Parse or Bind; not a login.
_STATEMENT = b"QPB"


@dataclass(frozen=True)
class Cut:
    """Where the wires end.

    Parameters
    ----------
    at : the number of the statement, from 1, over all wires.
    answered : the server gets it and does it, and only its answer is lost.
    """

    at: int
    answered: bool


class Wires:
    """One wire to each node, all with one count. A context manager.

    Parameters
    ----------
    places : the nodes; PostgreSQL alone is understood.

    Attributes
    ----------
    places : the same nodes, by their wires.
    statements : how many were sent so far.
    received : bytes that came back so far.
    ended : set once the wires were cut.
    """

    def __init__(self, places: Mapping[str, Place], cut: Cut | None = None) -> None:
        self._cut = cut
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.statements = self.received = 0
        self.ended = threading.Event()
        self.places: dict[str, Place] = {}
        for name, place in places.items():
            listener = socket.create_server(("127.0.0.1", 0))
            self._open.append(listener)
            self._begin(self._accept, listener, place.client)
            at = Address("127.0.0.1", listener.getsockname()[1])
            self.places[name] = replace(place, client=at)

    def __enter__(self) -> Wires:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        for thread in self._threads:
            thread.join()

    def _begin(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _end(self) -> None:
        with self._lock:
            self.ended.set()
            for each in self._open:
                # A thread that waits in accept or recv wakes from a shutdown, not from a close.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    def _accept(self, listener: socket.socket, target: Address) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((target.host, target.port))
                with self._lock:
                    self._open += [client, server]
                if self.ended.is_set():
                    self._end()
                    return
                mute = threading.Event()
                self._begin(self._there, client, server, mute)
                self._begin(self._back, server, client, mute)

    def _there(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(_CHUNK):
                if chunk[0] in _STATEMENT and self._is_last(mute):
                    self._end()
                    return
                server.sendall(chunk)
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(_CHUNK):
                if mute.is_set():
                    self._end()
                    return
                with self._lock:
                    self.received += len(chunk)
                client.sendall(chunk)
            client.shutdown(socket.SHUT_RDWR)

    def _is_last(self, mute: threading.Event) -> bool:
        """Count a statement; whether it must not go on. Its answer is muted, or it is not sent."""
        with self._lock:
            self.statements += 1
            if self._cut is None or self.statements < self._cut.at:
                return False
            if self._cut.answered and self.statements == self._cut.at:
                mute.set()
                return False
            return True
