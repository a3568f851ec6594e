"""Accounts read and written by key: on one node, or with reads routed to replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import UsageError
from scalelab.model import Places
from scalelab.protocols import SessionContext

_ACCOUNTS = 100_000

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
# Once a write is acknowledged, its commit is on the primary's disk, so not beyond this.
_WRITTEN = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"
_LOOK_S = 0.1
"""How often a session asks the replicas how far they are, in seconds."""


class PointReadWrite:
    """Reads of one account by its key, some far more often than others; writes go to the primary.

    Options
    -------
    reads : where to read:

        - ``primary`` (the default);
        - ``spread``: each from the primary or any replica, at random;
        - ``sticky``: a session always from the same one of them;
        - ``least-lagged``: from the replica that had replayed most when the session last looked;
        - ``own-writes``: like ``spread``, but from a replica only once it has replayed the
          session's last write, else from the primary.
    write_share : of all operations (default 0.02).
    own_share : of the reads, those of the account that the session itself wrote last (default 0).
    """

    summary = "accounts by key; reads from the primary, or routed over the replicas too"
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
        sql.await_replay(places)

    def versions(self, places: Places) -> Sequence[int]:
        return sql.versions(sql.primaries(places)[0], "account", _ACCOUNTS)

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        ways: Mapping[str, type[_Session]] = {
            "primary": _Session,
            "spread": _Spread,
            "sticky": _Sticky,
            "least-lagged": _LeastLagged,
            "own-writes": _OwnWrites,
        }
        reads = str(options.get("reads", "primary"))
        if reads not in ways:
            raise UsageError(f"option reads is {reads!r}", f"use one of {', '.join(ways)}")
        return ways[reads](context, options)


class _Session:
    """Reads from the primary. Other ways to read differ in :meth:`reader`."""

    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.history, self.guarantees = context.history, context.guarantees
        self.chance = context.random.random
        self.write_share = float(options.get("write_share", 0.02))
        self.own_share = float(options.get("own_share", 0))
        self.written: int | None = None
        self.primary = context.connect(sql.primaries(context.places)[0].node.name)
        self.primary.prepare("read", _READ)
        self.primary.prepare("write", _WRITE)

    async def operate(self) -> str:
        if self.chance() < self.write_share:
            await self.write(self.context.next_own_key())
            return "write"
        key = self.context.next_key()
        if self.own_share and self.written is not None and self.chance() < self.own_share:
            key = self.written
        reader = await self.reader()
        floor, invoked = self.history.reading(key), self.context.now()
        row = await reader.execute("read", key)
        version = int(row.get_value(0, 0))
        self.history.read(key, floor, version, invoked)
        self.guarantees.read(key, version)
        return "read"

    async def write(self, key: int) -> None:
        changed = await self.primary.execute("write", key, 1)
        version = int(changed.get_value(0, 0))
        self.history.wrote(key, version, self.context.now())
        self.guarantees.wrote(key, version)
        self.written = key

    async def reader(self) -> Any:
        return self.primary

    def replicas(self) -> list[Any]:
        """Connections to all replicas."""
        replicas = []
        for name, place in self.context.places.items():
            if place.node.follows is not None:
                replica = self.context.connect(name)
                replica.prepare("read", _READ)
                replica.prepare("replayed", _REPLAYED)
                replicas.append(replica)
        return replicas


class _Spread(_Session):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.readers = [self.primary, *self.replicas()]

    async def reader(self) -> Any:
        return self.readers[int(self.chance() * len(self.readers))]


class _Sticky(_Session):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        readers = [self.primary, *self.replicas()]
        self.mine = readers[context.number % len(readers)]

    async def reader(self) -> Any:
        return self.mine


class _LeastLagged(_Session):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.all = self.replicas()
        self.best = self.primary
        self.look_at = 0.0

    async def reader(self) -> Any:
        if self.all and self.context.now() >= self.look_at:
            at = [await _position(replica, "replayed") for replica in self.all]
            self.best = self.all[at.index(max(at))]
            # Not all sessions at the same moment.
            self.look_at = self.context.now() + _LOOK_S * (0.5 + self.chance())
        return self.best


class _OwnWrites(_Spread):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.primary.prepare("written", _WRITTEN)
        self.mark = 0
        self.reached = {id(reader): 0 for reader in self.readers}

    async def write(self, key: int) -> None:
        await super().write(key)
        self.mark = await _position(self.primary, "written")

    async def reader(self) -> Any:
        reader = await super().reader()
        if reader is self.primary or self.reached[id(reader)] >= self.mark:
            return reader
        # A question of its own before the read: asked within it, the answer could be newer than
        # the snapshot that the read sees.
        self.reached[id(reader)] = position = await _position(reader, "replayed")
        return reader if position >= self.mark else self.primary


async def _position(node: Any, question: str) -> int:
    return int((await node.execute(question)).get_value(0, 0))


WORKLOAD = PointReadWrite()
