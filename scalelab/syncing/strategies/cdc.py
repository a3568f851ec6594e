"""By logical decoding: the database's own log says what was committed, in that order.

The application writes as ever and pays for no note. A replication slot keeps the log until the
syncer says how far the index has acknowledged; changes are peeked at, written, and only then is the
slot advanced. So a syncer that dies repeats what it had not advanced over, and loses nothing. A
slot whose syncer never comes back would keep the log for ever: ``max_slot_wal_keep_size`` bounds
that. Beyond it the slot is lost; then both sides have to be compared.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scalelab.syncing import _pgoutput, source
from scalelab.syncing.changes import newest, saved
from scalelab.syncing.strategies import Strategy, Taken

if TYPE_CHECKING:
    import psycopg

SLOT = "scalelab_items"

# The log has of a deleted row what identifies it. That is usually its key; here the version, too.
_SCHEMA = """
CREATE UNIQUE INDEX IF NOT EXISTS item_identity ON item (id, version);
ALTER TABLE item REPLICA IDENTITY USING INDEX item_identity;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'scalelab_items') THEN
        CREATE PUBLICATION scalelab_items FOR TABLE item;
    END IF;
END $$;
"""
_STATE = """
SELECT wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint
FROM pg_replication_slots WHERE slot_name = %s
"""
_CREATE = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"
_DROP = "SELECT pg_drop_replication_slot(%s)"
_PEEK = """
SELECT data FROM pg_logical_slot_peek_binary_changes(
    %s, %s, %s, 'proto_version', '1', 'publication_names', 'scalelab_items')
"""
_ADVANCE = "SELECT pg_replication_slot_advance(%s, %s)"
_NOW = source.ROWS + " WHERE id = ANY (%s)"
_SNAPSHOT_S = 1.0


class Cdc:
    """Reads the log through a slot."""

    def __init__(self) -> None:
        self._noted = 0.0

    def prepare(self, connection: psycopg.Connection) -> bool:
        source.define(connection, "cdc", _SCHEMA)
        state = connection.execute(_STATE, (SLOT,)).fetchone()
        if state is not None and state[0] != "lost":
            return False
        if state is not None:
            connection.execute(_DROP, (SLOT,))
        connection.execute(_CREATE, (SLOT,))
        return True

    def take(self, connection: psycopg.Connection, limit: int) -> Taken:
        self._let_restart(connection)
        # What is flushed: a commit that is only written is not decoded yet, and would be passed by.
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        found = connection.execute(_PEEK, (SLOT, row[0], limit), binary=True).fetchall()
        if not found:
            # Nothing of ours up to there: let go of what others wrote.
            connection.execute(_ADVANCE, (SLOT, row[0]))
            return Taken(())
        log = _pgoutput.read(data for (data,) in found)
        changes = newest(log.changes)
        if log.partial:
            # A long value that did not change is not in the log: the row itself has it.
            rows = connection.execute(_NOW, (list(log.partial),)).fetchall()
            changes = newest([*changes, *(saved(row, log.partial[row[0]]) for row in rows)])
        return Taken(changes, log.position, more=len(found) >= limit)

    def let_go(self, connection: psycopg.Connection, taken: Taken) -> None:
        connection.execute(_ADVANCE, (SLOT, taken.position))

    def kept(self, connection: psycopg.Connection) -> int | None:
        state = connection.execute(_STATE, (SLOT,)).fetchone()
        return None if state is None else state[1]

    def _let_restart(self, connection: psycopg.Connection) -> None:
        # Decoding begins anew at the last snapshot of running transactions before what was let go
        # of. The server writes one every 15 s by itself: until then each look reads all that again.
        if time.monotonic() - self._noted > _SNAPSHOT_S:
            connection.execute("SELECT pg_log_standby_snapshot()")
            self._noted = time.monotonic()


STRATEGY: Strategy = Cdc()
