"""Even and stable, but nearly every key moves when a shard is added."""

import zlib


def shard(key: str, shards: int) -> int:
    return zlib.crc32(key.encode()) % shards
