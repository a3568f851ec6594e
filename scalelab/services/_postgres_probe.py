"""How long PostgreSQL takes over a link, and where a replica streams from."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scalelab import sql
from scalelab.model import Address, Place, Places

if TYPE_CHECKING:
    import psycopg

_LEAST_CONNECT_S = 2  # the client library takes no less

# Not transactional: no transaction to wait for that a synchronous replica would have to confirm.
_EMIT = "SELECT pg_logical_emit_message(false, 'scalelab', repeat('x', %s), true)"
_ARRIVED = "SELECT flush_lsn >= %s::pg_lsn FROM pg_stat_replication WHERE application_name = %s"
_SPILL = "SELECT count(*) FROM generate_series(1, 50000)"
_RECEIVER = "SELECT sender_host, sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'"


def exchange(place: Place, size: int, times: int, patience_s: float) -> list[float]:
    """See ``protocols.Service.exchange``."""
    import psycopg

    took: list[float] = []
    with (
        contextlib.suppress(psycopg.Error),
        sql.connect(place, _whole(patience_s)) as session,
        _cut_off(session, patience_s),
    ):
        for _ in range(times):
            began = time.perf_counter()
            session.execute("SELECT repeat('x', %s)", (size,)).fetchone()
            took.append(time.perf_counter() - began)
    return took


def propagate(place: Place, peers: Places, size: int, patience_s: float) -> float | None:
    """See ``protocols.Service.propagate``: until the replica says that it has flushed the WAL."""
    import psycopg

    leader = peers[place.node.follows or ""]
    deadline = time.monotonic() + patience_s
    try:
        with sql.connect(leader, _whole(patience_s)) as session:
            session.autocommit = True
            began = time.perf_counter()
            session.execute(_EMIT, (size,))
            row = session.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
            while time.monotonic() < deadline:
                if session.execute(_ARRIVED, (row and row[0], place.node.name)).fetchone() == (
                    True,
                ):
                    return time.perf_counter() - began
                time.sleep(0.0005)
    except psycopg.Error:
        pass
    return None


def spill(place: Place, patience_s: float) -> tuple[float | None, str]:
    """See ``protocols.Service.spill``: a result that is too large for its memory goes to a file.

    So it can be asked of a replica too, and writes no WAL: on a full disk that might be the last
    straw, from which the server ends.
    """
    import psycopg

    try:
        with (
            sql.connect(place, _whole(patience_s)) as session,
            _cut_off(session, patience_s),
        ):
            session.execute("SET work_mem = '64kB'")
            began = time.perf_counter()
            session.execute(_SPILL).fetchone()
            return time.perf_counter() - began, ""
    except psycopg.errors.DiskFull as error:
        return None, str(error.diag.message_primary).rpartition(": ")[2]  # without the file
    except psycopg.Error:
        return None, ""


def upstream(place: Place) -> Address | None:
    """See ``protocols.Service.upstream``."""
    import psycopg

    try:
        with sql.connect(place) as session:
            row = session.execute(_RECEIVER).fetchone()
    except psycopg.Error:
        return None
    return None if row is None else Address(row[0], row[1])


def _whole(patience_s: float) -> int:
    return max(_LEAST_CONNECT_S, math.ceil(patience_s))


@contextlib.contextmanager
def _cut_off(session: psycopg.Connection, patience_s: float) -> Iterator[None]:
    """End what the session waits for when patience does: a frozen server says nothing at all."""

    def cut() -> None:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(session.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(patience_s, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
