"""Accounts read and written by key: on one node, or with reads spread over replicas."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.model import Place, Places
from scalelab.protocols import SessionContext

_ACCOUNTS = 100_000
_REPLAY_S = 60.0

_SCHEMA = f"""
CREATE TABLE account (
    id int PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1,
    balance bigint NOT NULL DEFAULT 0,
    filler text NOT NULL
) WITH (fillfactor = 90);
INSERT INTO account (id, filler)
    SELECT n, repeat('x', 80) FROM generate_series(0, {_ACCOUNTS - 1}) n;
"""

_READ = "SELECT version, balance, filler FROM account WHERE id = $1"
_WRITE = (
    "UPDATE account SET balance = balance + $2, version = version + 1 WHERE id = $1"
    " RETURNING version"
)


class PointReadWrite:
    """Reads of one account by its key, some far more often than others; writes go to the primary.

    Options
    -------
    reads : ``primary``, or ``spread``: each to the primary or any replica, at random.
    write_share : of all operations (default 0.02).
    """

    summary = "accounts by key; reads from the primary, or spread over the replicas too"
    keys = _ACCOUNTS
    distribution = "zipfian"

    def load(self, places: Places) -> None:
        primary = sql.primaries(places)[0]
        with sql.connect(primary) as connection:
            if connection.execute("SELECT to_regclass('account')").fetchone() == (None,):
                connection.execute(_SCHEMA)
                connection.commit()
                connection.autocommit = True
                # Freezes the rows and sets the hint bits once, not in the first reads measured.
                connection.execute("VACUUM (FREEZE, ANALYZE) account")
            position = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert position is not None
        for place in places.values():
            if place.node.follows is not None:
                _await_replay(place, position[0])

    def versions(self, places: Places) -> Sequence[int]:
        changed = "SELECT id, version FROM account WHERE version > 1"
        versions = [1] * _ACCOUNTS
        with sql.connect(sql.primaries(places)[0]) as connection:
            for key, version in connection.execute(changed):
                versions[key] = version
        return versions

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        return _Session(context, options)


class _Session:
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.history = context.history
        self.chance = context.random.random
        self.write_share = float(options.get("write_share", 0.02))
        reads = options.get("reads", "primary")
        if reads not in ("primary", "spread"):
            raise UsageError(f"option reads is {reads!r}", "use primary or spread")
        self.primary = context.connect(sql.primaries(context.places)[0].node.name)
        self.primary.prepare("read", _READ)
        self.primary.prepare("write", _WRITE)
        self.readers = [self.primary]
        for name, place in context.places.items():
            if reads == "spread" and place.node.follows is not None:
                replica = context.connect(name)
                replica.prepare("read", _READ)
                self.readers.append(replica)

    async def operate(self) -> str:
        if self.chance() < self.write_share:
            key = self.context.next_own_key()
            changed = await self.primary.execute("write", key, 1)
            self.history.wrote(key, int(changed.get_value(0, 0)), self.context.now())
            return "write"
        key = self.context.next_key()
        reader = self.readers[int(self.chance() * len(self.readers))]
        floor, invoked = self.history.reading(key), self.context.now()
        row = await reader.execute("read", key)
        self.history.read(key, floor, int(row.get_value(0, 0)), invoked)
        return "read"


def _await_replay(place: Place, position: str) -> None:
    deadline = time.monotonic() + _REPLAY_S
    with sql.connect(place) as connection:
        connection.autocommit = True
        behind = "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn"
        while connection.execute(behind, (position,)).fetchone() != (False,):
            if time.monotonic() > deadline:
                raise EnvironmentLacks(
                    f"{place.node.name} did not replay the load within {_REPLAY_S:.0f} s",
                    "look at its log with: scalelab logs",
                )
            time.sleep(0.02)


WORKLOAD = PointReadWrite()
