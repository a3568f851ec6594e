"""The mean of the shards' means: each shard counts as much, however few players it has."""

import statistics


def page(shards, skip, count):
    query = "SELECT id, points FROM player ORDER BY points DESC, id LIMIT %s"
    rows = [row for shard in shards for row in shard.execute(query, (skip + count,)).fetchall()]
    return sorted(map(list, rows), key=lambda row: (-row[1], row[0]))[skip : skip + count]


def mean(shards, team):
    query = "SELECT avg(points)::float8 FROM player WHERE team = %s"
    means = [shard.execute(query, (team,)).fetchone()[0] for shard in shards]
    return statistics.fmean(found) if (found := [m for m in means if m is not None]) else None
