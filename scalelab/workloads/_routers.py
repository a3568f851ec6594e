"""Which shard a key lives on: four ways to decide it, each a function of the key alone.

A router is made once a worker and is the same for every client.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import heapq
from collections.abc import Callable

from scalelab.errors import UnknownName

Router = Callable[[int], int]

_POINTS = 256
_SKEW = 0.99


def by_modulo(shards: int, keys: int) -> Router:
    """The remainder: even, and nearly every key has another one when a shard is added."""
    return lambda key: key % shards


def by_range(shards: int, keys: int) -> Router:
    """Neighbours together: as many of the first ``keys`` keys each, and the last has all newer."""
    return lambda key: min(key * shards // keys, shards - 1)


def by_directory(shards: int, keys: int) -> Router:
    """A list of who lives where, made by how much each key was asked for so far.

    Here that is k**-0.99 for key k. The busiest first, each to the shard with least to do so far
    (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17(2), 1969).
    Keys that are not listed take turns.
    """
    load = [(0.0, shard) for shard in range(shards)]
    listed = []
    for key in range(keys):
        least, shard = load[0]
        listed.append(shard)
        heapq.heapreplace(load, (least + (key + 1) ** -_SKEW, shard))
    return lambda key: listed[key] if key < keys else key % shards


def by_ring(shards: int, keys: int) -> Router:
    """Consistent hashing: shards have many points on a ring, a key lives at the next one.

    A shard that is added takes keys from all others, about one in n + 1, and no other key moves
    (D. Karger et al., "Consistent hashing and random trees", STOC 1997).
    """
    ring = sorted(
        (_hash(f"shard {shard} point {n}"), shard)
        for shard in range(shards)
        for n in range(_POINTS)
    )
    points, owners = [at for at, _ in ring], [shard for _, shard in ring]
    return lambda key: owners[bisect.bisect(points, _hash(f"key {key}")) % len(owners)]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


_WAYS: dict[str, Callable[[int, int], Router]] = {
    "modulo": by_modulo,
    "range": by_range,
    "directory": by_directory,
    "ring": by_ring,
}


@functools.cache
def router(way: str, shards: int, keys: int) -> Router:
    """The router of that name.

    Parameters
    ----------
    keys : how many there were when the shards were laid out; newer keys are numbered from there.

    Raises
    ------
    UnknownName : there is no such way.
    """
    if way not in _WAYS:
        raise UnknownName("way to route", way, _WAYS)
    return _WAYS[way](shards, keys)
