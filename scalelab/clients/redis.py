"""The Redis protocol for the hot loop: hiredis over a raw non-blocking socket."""

from __future__ import annotations

import errno
import os
import socket
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any, ClassVar, cast

import hiredis

from scalelab.errors import RequestFailed
from scalelab.model import Place
from scalelab.protocols import Wait

_CHUNK = 65536
_INCOMPLETE: Any = object()

Waiting = Generator[Wait, None, None]
Argument = str | bytes | int | float

# hiredis declares a tuple of one element.
_pack = cast(Callable[[tuple[Argument, ...]], bytes], hiredis.pack_command)


class Connection:
    """One session of a cache. Connects on first use, and again after a loss.

    Parameters
    ----------
    place : the node; the user is ``default``.
    """

    def __init__(self, place: Place) -> None:
        self._address = (place.client.host, place.client.port)
        self._password = place.password
        self._socket: socket.socket | None = None
        self._reader: Any = None
        self._readable = self._writable = Wait(-1)

    @types.coroutine
    def open(self) -> Waiting:
        """Connect and log in."""
        if self._socket is None:
            yield from self._connect()

    def get(self, key: Argument) -> Awaitable[bytes | None]:
        """The value of ``key``, None when it has none."""
        return self._request(_pack((b"GET", key)))

    def set(
        self, key: Argument, value: Argument, *, ex: int | None = None, px: int | None = None
    ) -> Awaitable[Any]:
        """Set ``key``, to expire in ``ex`` seconds or ``px`` milliseconds."""
        if px is not None:
            return self._request(_pack((b"SET", key, value, b"PX", px)))
        if ex is not None:
            return self._request(_pack((b"SET", key, value, b"EX", ex)))
        return self._request(_pack((b"SET", key, value)))

    def delete(self, *keys: Argument) -> Awaitable[int]:
        """Remove keys; how many there were."""
        return self._request(_pack((b"DEL", *keys)))

    def execute(self, *command: Argument) -> Awaitable[Any]:
        """Any command; its answer as hiredis reads it (bytes, int, list, None)."""
        return self._request(_pack(command))

    def close(self) -> None:
        """Close the connection; the next operation makes a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, packet: bytes) -> Generator[Wait, None, Any]:
        if self._socket is None:
            yield from self._connect()
        connection, reader = self._socket, self._reader
        assert connection is not None
        try:
            try:
                sent = connection.send(packet)
            except BlockingIOError:
                sent = 0
            while sent != len(packet):
                yield self._writable
                sent += connection.send(packet[sent:])
            answer = _INCOMPLETE
            while answer is _INCOMPLETE:
                yield self._readable
                try:
                    data = connection.recv(_CHUNK)
                except BlockingIOError:
                    continue
                if not data:
                    raise ConnectionResetError("closed by the server")
                reader.feed(data)
                answer = reader.gets()
        except (OSError, hiredis.HiredisError) as problem:
            self.close()
            how = "time-out" if isinstance(problem, TimeoutError) else "connection lost"
            raise RequestFailed(how, str(problem), lost=True) from None
        if isinstance(answer, hiredis.ReplyError):
            # The first word of an error names it, by the protocol's convention.
            message = str(answer)
            raise RequestFailed(message.split(" ", 1)[0], message)
        return answer

    _request: ClassVar[Callable[[Connection, bytes], Awaitable[Any]]] = types.coroutine(_exchange)

    def _connect(self) -> Waiting:
        connection = None
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                *self._address, type=socket.SOCK_STREAM
            )[0]
            connection = socket.socket(family, kind, protocol)
            connection.setblocking(False)
            if connection.connect_ex(address) == errno.EINPROGRESS:
                yield Wait(connection.fileno(), write=True)
            failure = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                raise OSError(failure, os.strerror(failure))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as problem:
            if connection is not None:
                connection.close()
            if isinstance(problem, OSError):
                raise RequestFailed("cannot connect", str(problem), lost=True) from None
            raise
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._readable = Wait(connection.fileno())
        self._writable = Wait(connection.fileno(), write=True)
        self._socket = connection
        try:
            yield from self._exchange(_pack((b"AUTH", b"default", self._password)))
        except RequestFailed as problem:
            self.close()
            raise RequestFailed("cannot connect", problem.message, lost=True) from None
        except BaseException:
            self.close()
            raise
