"""PostgreSQL for the hot loop: libpq without blocking, prepared statements only.

psycopg's own connection costs four times as much a query as libpq itself does: what it adds
(types, transactions, cursors) a load generator does not need.
"""

from __future__ import annotations

import re
import types
from collections.abc import Generator
from typing import Any

from psycopg import errors, pq
from psycopg.conninfo import make_conninfo

from scalelab.errors import RequestFailed
from scalelab.model import Place
from scalelab.protocols import Wait

# As plain numbers: comparing with an enum's member would go through the enum.
_OK = frozenset((int(pq.ExecStatus.TUPLES_OK), int(pq.ExecStatus.COMMAND_OK)))
_READING = pq.PollingStatus.READING
_WRITING = pq.PollingStatus.WRITING
_CONNECTED = pq.PollingStatus.OK
_FAILED = pq.PollingStatus.FAILED
_BAD = pq.ConnStatus.BAD

Waiting = Generator[Wait, None, None]


class Connection:
    """One session of a PostgreSQL node. Connects on first use, and again after a loss.

    Parameters
    ----------
    place : the node; user and database are ``lab``.
    """

    def __init__(self, place: Place) -> None:
        self._conninfo = make_conninfo(
            host=place.client.host,
            port=place.client.port,
            user="lab",
            password=place.password,
            dbname="lab",
            application_name="scalelab load",
            # The servers of a lab have neither; asking would cost a round trip a connection.
            sslmode="disable",
            gssencmode="disable",
        ).encode()
        self._pg: pq.abc.PGconn | None = None
        self._statements: dict[str, bytes] = {}
        # Statements prepared on the connection as it is: empty means there is none.
        self._ready: dict[str, bytes] = {}
        self._readable = self._writable = Wait(-1)

    def prepare(self, name: str, sql: str) -> None:
        """Name a statement, with parameters $1, $2, ...; the server sees it on first use."""
        self._statements[name] = sql.encode()
        self._ready.pop(name, None)

    @types.coroutine
    def open(self) -> Waiting:
        """Connect and prepare every statement named so far."""
        for name in self._statements:
            if name not in self._ready:
                yield from self._make_ready(name)

    @types.coroutine
    def execute(
        self, name: str, *params: int | float | str | bytes | None
    ) -> Generator[Wait, None, Any]:
        """Execute a prepared statement.

        Parameters
        ----------
        name : as given to :meth:`prepare`.
        params : sent as text; bytes go as they are.

        Returns
        -------
        A ``psycopg.pq.PGresult``: ``get_value(row, column)`` gives the text as bytes, or None.
        """
        statement = self._ready.get(name)
        if statement is None:
            statement = yield from self._make_ready(name)
        pg = self._pg
        assert pg is not None
        try:
            # Numbers are formatted here, in a plain loop: most parameters are, and a call (which a
            # comprehension is too, before Python 3.12) would cost as much again.
            values = []
            for value in params:
                values.append(b"%d" % value if type(value) is int else _encode(value))
            pg.send_query_prepared(statement, values)
            if pg.flush():
                yield from self._drain(pg)
            # Most answers come whole with the first wake-up; the loop below is for the others.
            yield self._readable
            pg.consume_input()
            while pg.is_busy():
                yield self._readable
                pg.consume_input()
            result = pg.get_result()
            while True:
                while pg.is_busy():
                    yield self._readable
                    pg.consume_input()
                if pg.get_result() is None:
                    break
        except (errors.Error, TimeoutError) as problem:
            raise self._lost(_how(problem), str(problem)) from None
        if result is None:
            raise self._lost("connection lost", "no result")
        if result.status not in _OK:
            raise self._failure(pg, result)
        return result

    @types.coroutine
    def run(self, sql: str) -> Generator[Wait, None, Any]:
        """Execute a statement that differs each time and takes no parameters.

        Such as ``PREPARE TRANSACTION 'name'``. It is parsed anew: prepare what can be.
        """
        if self._pg is None:
            yield from self._connect()
        pg = self._pg
        assert pg is not None
        try:
            pg.send_query(sql.encode())
            return (yield from self._answer(pg))
        except (errors.Error, TimeoutError) as problem:
            raise self._lost(_how(problem), str(problem)) from None

    def close(self) -> None:
        """Close the connection; the next operation makes a new one."""
        self._ready.clear()
        if self._pg is not None:
            self._pg.finish()
            self._pg = None

    def _make_ready(self, name: str) -> Generator[Wait, None, bytes]:
        if self._pg is None:
            yield from self._connect()
        pg = self._pg
        assert pg is not None
        wire_name = name.encode()
        try:
            pg.send_prepare(wire_name, self._statements[name])
            yield from self._answer(pg)
        except (errors.Error, TimeoutError) as problem:
            raise self._lost(_how(problem), str(problem)) from None
        self._ready[name] = wire_name
        return wire_name

    def _answer(self, pg: pq.abc.PGconn) -> Generator[Wait, None, Any]:
        """The last result of what was sent, once all of them are there."""
        yield from self._drain(pg)
        result = None
        while True:
            while pg.is_busy():
                yield self._readable
                pg.consume_input()
            answer = pg.get_result()
            if answer is None:
                break
            result = answer
        if result is None or result.status not in _OK:
            raise self._failure(pg, result)
        return result

    def _connect(self) -> Waiting:
        try:
            pg = pq.PGconn.connect_start(self._conninfo)
        except errors.Error as problem:
            raise RequestFailed("cannot connect", str(problem), lost=True) from None
        try:
            status: int = _WRITING
            while status != _CONNECTED:
                # libpq may change its socket at any step: a new Wait makes the loop look again.
                yield Wait(pg.socket, write=status == _WRITING)
                status = pg.connect_poll()
                if status == _FAILED:
                    raise RequestFailed("cannot connect", pg.get_error_message(), lost=True)
            pg.nonblocking = 1
        except (errors.Error, TimeoutError) as problem:
            pg.finish()
            raise RequestFailed("cannot connect", str(problem), lost=True) from None
        except BaseException:
            pg.finish()
            raise
        self._pg = pg
        self._readable = Wait(pg.socket)
        self._writable = Wait(pg.socket, write=True)

    def _drain(self, pg: pq.abc.PGconn) -> Waiting:
        # A server that waits for us to read would never take the rest: read between writes.
        while pg.flush():
            yield self._writable
            pg.consume_input()

    def _failure(self, pg: pq.abc.PGconn, result: pq.abc.PGresult | None) -> RequestFailed:
        if result is None:
            return self._lost("connection lost", "no result")
        field = result.error_field
        message = (field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        severity = field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
        if severity in (b"FATAL", b"PANIC") or pg.status == _BAD:
            return self._lost("connection lost", message)
        return RequestFailed(_kind((field(pq.DiagnosticField.SQLSTATE) or b"").decode()), message)

    def _lost(self, kind: str, message: str) -> RequestFailed:
        self.close()
        return RequestFailed(kind, message, lost=True)


def _how(problem: Exception) -> str:
    return "time-out" if isinstance(problem, TimeoutError) else "connection lost"


def _encode(value: int | float | str | bytes | None) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    return str(value).encode()


def _kind(sqlstate: str) -> str:
    """The condition's name in PostgreSQL's own words, spaced ("unique violation")."""
    try:
        name = errors.lookup(sqlstate).__name__
    except KeyError:
        return f"SQLSTATE {sqlstate}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
