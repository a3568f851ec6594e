"""On which shard does a key live? Rendezvous hashing.

Every shard draws a number for the key, and the highest wins (D. Thaler, C. Ravishankar, "Using
name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998). A new
shard takes exactly those keys for which it draws the highest: one in n + 1.
"""

import hashlib


def shard(key: str, shards: int) -> int:
    """The shard of this key, from 0 to shards - 1."""
    return max(range(shards), key=lambda number: _draw(key, number))


def _draw(key: str, number: int) -> bytes:
    # A hash of its own, not hash(): that one is drawn anew in every process.
    return hashlib.blake2b(f"{number}/{key}".encode(), digest_size=8).digest()
