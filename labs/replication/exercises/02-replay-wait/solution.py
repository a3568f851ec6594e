"""Wait for a replica: ask it now and then how far it has replayed."""

import time

_PAUSE_S = 0.04
# On a primary nothing is replayed: the position is NULL, and everything is there.
_SHOWS = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn"


def wait_for(server, lsn: str, timeout_s: float) -> bool:
    """Wait until the server shows all changes up to lsn: True, or False when it took too long."""
    deadline = time.monotonic() + timeout_s
    while not server.execute(_SHOWS, (lsn,)).fetchone()[0]:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(_PAUSE_S, left))
    return True
