"""Waits until the write is on the replica's disk, where no read sees it yet."""

import time


def wait_for(server, lsn: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    has = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() >= %s::pg_lsn"
    while not server.execute(has, (lsn,)).fetchone()[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
