"""Routes reads well, but the primary is whoever is called so: after a failover nobody can write."""

import random

_marks: dict[str, int] = {}


def write(nodes: dict, user: str, key: str, value: int) -> bool:
    try:
        nodes["primary"]["write"](key, value)
        _marks[user] = nodes["primary"]["position"]()[0][0]
    except Exception:
        return False
    return True


def read(nodes: dict, user: str, key: str) -> int | None:
    for name in [*random.sample(["replica1", "replica2"], 2), "primary"]:
        try:
            if nodes[name]["position"]()[0][0] >= _marks.get(user, 0):
                rows = nodes[name]["read"](key)
                return rows[0][0] if rows else None
        except Exception:
            continue
    return None
