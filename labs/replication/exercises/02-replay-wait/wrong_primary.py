"""Works on replicas; on a primary the position is NULL, and it waits in vain."""

import time


def wait_for(server, lsn: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not server.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
