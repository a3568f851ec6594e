"""Which replica to promote? Who has most of the log, received or replayed.

What is received is replayed before a replica leads: PostgreSQL documentation, "Log-Shipping Standby
Servers", and ``pg_promote``.
"""


def promote(replicas: list[dict], acknowledged: list[list]) -> dict:
    """Whom to promote, and what is lost with that: {"promote": name, "lost": [writes]}."""
    best = max(replicas, key=_has)  # of equals the first
    return {
        "promote": best["name"],
        "lost": [number for number, lsn in acknowledged if _position(lsn) > _has(best)],
    }


def _has(replica: dict) -> int:
    known = [replica["received"], replica["replayed"]]
    return max(_position(lsn) for lsn in known if lsn is not None)


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)
