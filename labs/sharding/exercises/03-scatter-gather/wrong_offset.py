"""Skips on every shard: too many are left out."""


def page(shards, skip, count):
    query = "SELECT id, points FROM player ORDER BY points DESC, id LIMIT %s OFFSET %s"
    each = skip // len(shards)
    rows = [row for shard in shards for row in shard.execute(query, (count, each)).fetchall()]
    return sorted(map(list, rows), key=lambda row: (-row[1], row[0]))[:count]


def mean(shards, team):
    query = "SELECT sum(points), count(*) FROM player WHERE team = %s"
    parts = [shard.execute(query, (team,)).fetchone() for shard in shards]
    players = sum(count for _, count in parts)
    return sum(points or 0 for points, _ in parts) / players if players else None
