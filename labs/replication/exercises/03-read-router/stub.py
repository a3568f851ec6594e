"""A read router."""


def write(nodes: dict, user: str, key: str, value: int) -> bool:
    """Store the value. True only when it is confirmed; False when it could not be done now."""
    nodes["primary"]["write"](key, value)
    return True


def read(nodes: dict, user: str, key: str) -> int | None:
    """The value of the key, as new as this user's own writes at least; None if there is none."""
    rows = nodes["primary"]["read"](key)
    return rows[0][0] if rows else None
