"""Sleeps for as long as lag usually is, and hopes."""

import time


def wait_for(server, lsn: str, timeout_s: float) -> bool:
    time.sleep(min(timeout_s, 0.1))
    return True
