"""Questions that concern all shards."""


def page(shards, skip: int, count: int) -> list:
    """The players from place skip + 1 to place skip + count, as [id, points]."""
    return []


def mean(shards, team: int) -> float | None:
    """The mean points of a team's players on all shards; None when it has none."""
    return None
