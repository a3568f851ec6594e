"""Each shard answers for itself; what is merged must be enough, and must be what can be merged."""

import heapq
from itertools import islice

_PAGE = "SELECT id, points FROM player ORDER BY points DESC, id LIMIT %s"
_MEAN = "SELECT sum(points), count(*) FROM player WHERE team = %s"


def page(shards, skip: int, count: int) -> list:
    """The players from place skip + 1 to place skip + count, as [id, points].

    All of them may live on one shard, and so may all that are skipped: each is asked for both.
    """
    found = [shard.execute(_PAGE, (skip + count,)).fetchall() for shard in shards]
    merged = heapq.merge(*found, key=lambda player: (-player[1], player[0]))
    return [list(player) for player in islice(merged, skip, skip + count)]


def mean(shards, team: int) -> float | None:
    """The mean points of a team's players on all shards; None when it has none."""
    parts = [shard.execute(_MEAN, (team,)).fetchone() for shard in shards]
    players = sum(count for _, count in parts)
    return sum(points or 0 for points, _ in parts) / players if players else None
