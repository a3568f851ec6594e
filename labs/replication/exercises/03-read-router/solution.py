"""A read router: a user's reads go to a replica that has replayed the user's last write."""

import random

_marks: dict[str, int] = {}  # by user: the position after their last confirmed write
_reached: dict[str, int] = {}  # by node: a position that it has shown to have reached
_leader = ["primary"]


def write(nodes: dict, user: str, key: str, value: int) -> bool:
    """Store the value. True only when it is confirmed; False when it could not be done now."""
    for name in dict.fromkeys([_leader[0], *nodes]):
        try:
            if name != _leader[0] and not nodes[name]["leads"]()[0][0]:
                continue
            nodes[name]["write"](key, value)
            # Without its position nobody could read it safely: not confirmed then, either.
            _marks[user] = nodes[name]["position"]()[0][0]
        except Exception:
            continue  # dead, or a replica by now
        _leader[0] = name
        return True
    return False


def read(nodes: dict, user: str, key: str) -> int | None:
    """The value of the key, as new as this user's own writes at least; None if there is none."""
    mark = _marks.get(user, 0)
    replicas = [name for name in nodes if name != _leader[0]]
    random.shuffle(replicas)
    for name in [*replicas, _leader[0]]:
        try:
            if _reached.get(name, 0) < mark:
                _reached[name] = nodes[name]["position"]()[0][0]
            if _reached.get(name, 0) >= mark:
                rows = nodes[name]["read"](key)
                return rows[0][0] if rows else None
        except Exception:
            continue
    return None
