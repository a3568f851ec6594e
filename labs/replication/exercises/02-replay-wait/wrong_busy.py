"""Right, but it asks as often as it can: all waiting users together stop the replica."""

import time


def wait_for(server, lsn: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    shows = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn"
    while not server.execute(shows, (lsn,)).fetchone()[0]:
        if time.monotonic() > deadline:
            return False
    return True
