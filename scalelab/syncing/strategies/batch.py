"""By timestamp: every row that says it was changed after the last one seen.

Cheap, and it needs nothing but a column and an index. Two things never reach the other side: a row
that is deleted has no timestamp any more, and a transaction that commits late has an early one,
which the watermark may have passed by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalelab.syncing import source
from scalelab.syncing.changes import saved
from scalelab.syncing.strategies import Strategy, Taken

if TYPE_CHECKING:
    import psycopg

_SCHEMA = """
CREATE INDEX IF NOT EXISTS item_updated ON item (updated_at, id);
CREATE TABLE IF NOT EXISTS sync_watermark (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    updated_at timestamptz NOT NULL DEFAULT '-infinity',
    id bigint NOT NULL DEFAULT 0
);
INSERT INTO sync_watermark DEFAULT VALUES ON CONFLICT DO NOTHING;
"""
# Rows of one moment may lie on both sides of a limit: the id says how far it came among them.
_NEXT = (
    source.ROWS
    + " WHERE (updated_at, id) > (SELECT updated_at, id FROM sync_watermark)"
    + " ORDER BY updated_at, id LIMIT %s"
)


class Batch:
    """Asks for rows with a later timestamp, from time to time."""

    def prepare(self, connection: psycopg.Connection) -> bool:
        source.define(connection, "batch", _SCHEMA)
        return False  # it begins before the first row

    def take(self, connection: psycopg.Connection, limit: int) -> Taken:
        rows = connection.execute(_NEXT, (limit,)).fetchall()
        changes = [saved(row, row[5].timestamp()) for row in rows]
        position = f"{rows[-1][5].isoformat()} {rows[-1][0]}" if rows else None
        return Taken(changes, position, more=len(rows) == limit)

    def let_go(self, connection: psycopg.Connection, taken: Taken) -> None:
        moment, id = str(taken.position).split()
        connection.execute("UPDATE sync_watermark SET updated_at = %s, id = %s", (moment, id))

    def kept(self, connection: psycopg.Connection) -> int | None:
        return None


STRATEGY: Strategy = Batch()
