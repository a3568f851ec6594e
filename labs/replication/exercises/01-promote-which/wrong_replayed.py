"""Compares numbers, but looks at what can be read now, not at what is there."""


def promote(replicas: list[dict], acknowledged: list[list]) -> dict:
    best = max(replicas, key=lambda replica: _position(replica["replayed"]))
    has = _position(best["replayed"])
    return {
        "promote": best["name"],
        "lost": [number for number, lsn in acknowledged if _position(lsn) > has],
    }


def _position(lsn: str) -> tuple[int, int]:
    high, low = lsn.split("/")
    return int(high, 16), int(low, 16)
