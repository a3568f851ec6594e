"""Any replica will do: users miss their own writes."""

import random


def write(nodes: dict, user: str, key: str, value: int) -> bool:
    for node in nodes.values():
        try:
            node["write"](key, value)
            return True
        except Exception:
            continue
    return False


def read(nodes: dict, user: str, key: str) -> int | None:
    for name in random.sample(["replica1", "replica2"], 2):
        try:
            rows = nodes[name]["read"](key)
            return rows[0][0] if rows else None
        except Exception:
            continue
    return None
