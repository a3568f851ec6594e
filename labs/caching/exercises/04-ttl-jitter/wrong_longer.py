"""Spreads what expires, by letting pages grow older than they may."""

import random


def page(cache, query, key, ttl_s):
    found = cache.get(f"page:{key}")
    if found is None:
        found = query(key)[0][0]
        cache.set(f"page:{key}", found, px=int(1000 * ttl_s * random.uniform(0.75, 1.25)))
    return found
