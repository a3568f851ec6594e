"""Looks at what was received alone: a replica that was restarted seems to have nothing."""


def promote(replicas: list[dict], acknowledged: list[list]) -> dict:
    best = max(replicas, key=lambda replica: _position(replica["received"]))
    has = _position(best["received"])
    return {
        "promote": best["name"],
        "lost": [number for number, lsn in acknowledged if _position(lsn) > has],
    }


def _position(lsn: str | None) -> tuple[int, int]:
    high, low = (lsn or "0/0").split("/")
    return int(high, 16), int(low, 16)
