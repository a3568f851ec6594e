"""Events of many devices written one by one: to one node, or to shards by hash of the device."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.model import Places
from scalelab.protocols import SessionContext

_DEVICES = 100_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    reading int NOT NULL,
    note text NOT NULL
);
CREATE INDEX IF NOT EXISTS event_device ON event (device);
"""

_INSERT = "INSERT INTO event (device, reading, note) VALUES ($1, $2, $3)"
_NOTE = "x" * 80


def shard(key: int, shards: int) -> int:
    """The shard a key lives on: the same for every client, and in every language with a CRC-32."""
    return zlib.crc32(b"%d" % key) % shards


class InsertWrite:
    """Every operation is one event, stored durably on the shard of its device.

    All PostgreSQL nodes that follow no other are the shards, in the topology's order.
    """

    summary = "events of devices, each one durable commit, on the shard of its device"
    keys = _DEVICES
    distribution = "uniform"

    def load(self, places: Places) -> None:
        sql.define(places, _SCHEMA)

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        return _Session(context)


class _Session:
    def __init__(self, context: SessionContext) -> None:
        self.context = context
        self.shards = [context.connect(place.node.name) for place in sql.primaries(context.places)]
        for connection in self.shards:
            connection.prepare("insert", _INSERT)

    async def operate(self) -> str:
        device = self.context.next_own_key()
        reading = int(1000 * self.context.random.random())
        db = self.shards[shard(device, len(self.shards))]
        await db.execute("insert", device, reading, _NOTE)
        return "write"


WORKLOAD = InsertWrite()
