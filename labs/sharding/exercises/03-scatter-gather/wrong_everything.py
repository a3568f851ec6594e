"""Right, and fetches every player there is."""


def page(shards, skip, count):
    rows = [row for shard in shards for row in shard.execute("SELECT id, points FROM player")]
    return sorted(map(list, rows), key=lambda row: (-row[1], row[0]))[skip : skip + count]


def mean(shards, team):
    query = "SELECT points FROM player WHERE team = %s"
    points = [row[0] for shard in shards for row in shard.execute(query, (team,))]
    return sum(points) / len(points) if points else None
