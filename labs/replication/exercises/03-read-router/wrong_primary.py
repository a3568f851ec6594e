"""Correct, and the replicas have nothing to do."""


def write(nodes: dict, user: str, key: str, value: int) -> bool:
    for node in nodes.values():
        try:
            node["write"](key, value)
            return True
        except Exception:
            continue
    return False


def read(nodes: dict, user: str, key: str) -> int | None:
    for node in nodes.values():
        try:
            if node["leads"]()[0][0]:
                rows = node["read"](key)
                return rows[0][0] if rows else None
        except Exception:
            continue
    return None
