"""A new index from the table, while the old one is searched and both are written."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from scalelab.errors import CheckFailed, RequestFailed
from scalelab.syncing import compare, source
from scalelab.syncing.index import Index

if TYPE_CHECKING:
    import psycopg

_BEGIN_LOCK, _REBUILD_LOCK = 7_370_552, 7_370_553
_LEAVE_S = 10.0


def begin(connection: psycopg.Connection, index: Index, alias: str) -> bool:
    """Have an index behind the alias that follows the table; whether it had to be made."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_BEGIN_LOCK,))
        name, made = index.behind(alias), False
        if name is None:
            name, made = _fresh(alias), True
            index.create(name, alias)
        known = source.followers(connection)
    if name not in known:
        source.follow(connection, add=name)
        # A rebuild keeps the one behind the alias among them: these are of a server that is gone.
        for other in known:
            source.follow(connection, remove=other)
    return made


def rebuild(connection: psycopg.Connection, index: Index, alias: str) -> str:
    """Make the index anew from the table and have the alias stand for it; its name.

    Searches go on all the time: they meet the old index until the new one has everything, and the
    alias moves in one step. Changes go on as well: from the beginning they are written to both, and
    as every write has its row's version, it does not matter whether a row is copied before or
    after its changes arrive.

    Raises
    ------
    CheckFailed : another rebuild is under way, or there is nothing behind the alias.
    """
    if connection.execute("SELECT pg_try_advisory_lock(%s)", (_REBUILD_LOCK,)).fetchone() != (
        True,
    ):
        raise CheckFailed("a rebuild of the index is under way", "wait for its end")
    try:
        old = index.behind(alias)
        if old is None:
            begin(connection, index, alias)
            compare.repair(connection, index, alias)
            return str(index.behind(alias))
        for left in source.followers(connection):  # by a rebuild that was killed
            if left != old:
                source.follow(connection, remove=left)
                index.drop(left)
        new = _fresh(alias)
        index.create(new)
        source.follow(connection, add=new)
        compare.copy(connection, index, new)
        index.refresh(new)
        index.swap(alias, old, new)
        source.follow(connection, remove=old)
        _let_go(index, old)
        return new
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_REBUILD_LOCK,))


def wait(connection: psycopg.Connection) -> None:
    """Return when no rebuild is under way."""
    connection.execute("SELECT pg_advisory_lock(%s)", (_REBUILD_LOCK,))
    connection.execute("SELECT pg_advisory_unlock(%s)", (_REBUILD_LOCK,))


def _let_go(index: Index, name: str) -> None:
    """Delete an index that nobody is sent to any more, once the last search there is over."""
    deadline = time.monotonic() + _LEAVE_S
    idle = 0
    while idle < 3 and time.monotonic() < deadline:
        idle = 0 if index.in_use(name) else idle + 1
        time.sleep(0.1)  # who was just sent there has not begun yet
    # One that stays is in nobody's way: the next rebuild's name is another.
    with contextlib.suppress(RequestFailed):
        index.drop(name)


def _fresh(alias: str) -> str:
    return f"{alias}-{time.time_ns():x}"
