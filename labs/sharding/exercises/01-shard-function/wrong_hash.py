"""Even, but Python draws the seed of hash() anew in every process."""


def shard(key: str, shards: int) -> int:
    return max(range(shards), key=lambda number: hash((number, key)))
