"""Each page stays for a time of its own: never longer than asked for, at least half of it."""

import random


def page(cache, query, key, ttl_s):
    """The page of this key, at most ttl_s seconds old."""
    found = cache.get(f"page:{key}")
    if found is None:
        found = query(key)[0][0]
        # From a little above the half: the time until the cache has it must not count as less.
        cache.set(f"page:{key}", found, px=int(1000 * ttl_s * random.uniform(0.52, 1)))
    return found
