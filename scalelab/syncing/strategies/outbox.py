"""By an outbox: whoever changes a row leaves a note of it, in the same transaction.

A note says which row changed, not how: what is written is the row as it is now. Notes are deleted
in a transaction that commits after the index has acknowledged. A syncer that dies before leaves
them for the next, and ``SKIP LOCKED`` lets several work side by side, each on notes of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalelab.syncing import source
from scalelab.syncing.changes import Change, newest, saved
from scalelab.syncing.strategies import Strategy, Taken

if TYPE_CHECKING:
    import psycopg

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item bigint NOT NULL,
    version bigint NOT NULL,
    deleted bool NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE OR REPLACE FUNCTION item_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO outbox (item, version, deleted) VALUES (OLD.id, OLD.version + 1, true);
    ELSE
        INSERT INTO outbox (item, version, deleted) VALUES (NEW.id, NEW.version, false);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER item_note AFTER INSERT OR UPDATE OR DELETE ON item
    FOR EACH ROW EXECUTE FUNCTION item_note();
"""
_NOTED = "SELECT count(*) FROM pg_trigger WHERE tgname = 'item_note'"
_TAKE = """
DELETE FROM outbox WHERE id = ANY (ARRAY (
    SELECT id FROM outbox ORDER BY id FOR UPDATE SKIP LOCKED LIMIT %s
)) RETURNING item, version, deleted, extract(epoch FROM at)
"""
_NOW = source.ROWS + " WHERE id = ANY (%s)"


class Outbox:
    """Takes notes out of the outbox and looks up what became of their rows."""

    def prepare(self, connection: psycopg.Connection) -> bool:
        begins = connection.execute(_NOTED).fetchone() == (0,)
        source.define(connection, "outbox", _SCHEMA)
        return begins

    def take(self, connection: psycopg.Connection, limit: int) -> Taken:
        notes = connection.execute(_TAKE, (limit,)).fetchall()
        since = {item: float(at) for item, _, _, at in reversed(notes)}
        rows = connection.execute(_NOW, (list(since),)).fetchall() if notes else []
        there = [saved(row, since[row[0]]) for row in rows]
        # Of a row that is gone only the note of its delete counts.
        deletes = [
            Change(item, version, None, float(at)) for item, version, gone, at in notes if gone
        ]
        position = f"{len(notes)} notes" if notes else None
        return Taken(newest([*deletes, *there]), position, more=len(notes) == limit)

    def let_go(self, connection: psycopg.Connection, taken: Taken) -> None:
        pass  # the notes go with the commit

    def kept(self, connection: psycopg.Connection) -> int | None:
        return None


STRATEGY: Strategy = Outbox()
