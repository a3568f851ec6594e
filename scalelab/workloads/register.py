"""A few registers, read and written: is there any order in which it could all have happened?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from scalelab import sql
from scalelab.errors import RequestFailed, UnknownName, UsageError
from scalelab.model import Places
from scalelab.protocols import SessionContext

_KEYS = 16
_VALUE_BITS = 62
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS register (id int PRIMARY KEY, value bigint NOT NULL)
    WITH (fillfactor = 10);
INSERT INTO register SELECT id, 0 FROM generate_series(0, {_KEYS - 1}) id ON CONFLICT DO NOTHING;
"""
_READ = "SELECT value FROM register WHERE id = $1"
_WRITE = "UPDATE register SET value = $2 WHERE id = $1"
_READS = ("primary", "replica", "any")


class Register:
    """Reads and writes of a few keys; each write has a value of its own, drawn at random.

    All operations are judged: whether any order of them, each at a moment while it was under way,
    explains what the reads returned (linearizability). Judging takes the generator 15 µs an
    operation, so this is a workload of its own.

    Options
    -------
    reads : from the ``primary`` (the default), a ``replica``, or ``any`` of all nodes, at random.
    write_share : of all operations (default 0.2). Writes go to the primary.
    """

    summary = "a few registers read and written, and whether any order explains it"
    keys = _KEYS
    distribution = "uniform"

    def load(self, places: Places) -> None:
        with sql.connect(sql.primaries(places)[0]) as connection:
            connection.execute(_SCHEMA)
        sql.await_replay(places)

    def versions(self, places: Places) -> Sequence[int]:
        """The value of every register, from the primary."""
        with sql.connect(sql.primaries(places)[0]) as connection:
            rows = connection.execute("SELECT value FROM register ORDER BY id").fetchall()
        return [value for (value,) in rows]

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        reads = str(options.get("reads", "primary"))
        if reads not in _READS:
            raise UnknownName("place to read", reads, _READS)
        return _Session(context, reads, float(options.get("write_share", 0.2)))


class _Session:
    def __init__(self, context: SessionContext, reads: str, write_share: float) -> None:
        self.context, self.registers = context, context.registers
        self.chance, self.write_share = context.random, write_share
        self.primary = context.connect(sql.primaries(context.places)[0].node.name)
        self.primary.prepare("write", _WRITE)
        replicas = [
            context.connect(name)
            for name, place in context.places.items()
            if reads != "primary" and place.node.follows is not None
        ]
        if reads == "replica" and not replicas:
            raise UsageError("option reads is 'replica', and there is none", "use primary or any")
        self.readers = replicas if reads == "replica" else [self.primary, *replicas]
        for reader in self.readers:
            reader.prepare("read", _READ)

    async def operate(self) -> str:
        key = self.context.next_own_key()
        if self.chance.random() < self.write_share:
            await self.use("write", key, self.chance.getrandbits(_VALUE_BITS))
            return "write"
        await self.use("read", key, None)
        return "read"

    async def use(self, kind: str, key: int, value: int | None) -> None:
        """One operation, told of however it ends: cut off, nobody knows whether it took effect."""
        outcome: Literal["ok", "fail", "unknown"] = "unknown"
        self.registers.begin(key, self.context.now())
        try:
            if kind == "write":
                await self.primary.execute("write", key, value)
            else:
                row = await self.chance.choice(self.readers).execute("read", key)
                value = int(row.get_value(0, 0))
            outcome = "ok"
        except RequestFailed as failure:
            if not failure.lost:  # a server said no
                outcome = "fail"
            raise
        finally:
            self.registers.over(kind, value, self.context.now(), outcome)


WORKLOAD = Register()
