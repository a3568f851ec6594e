"""Spreads over whole seconds, of which a short TTL has few."""

import math
import random


def page(cache, query, key, ttl_s):
    found = cache.get(f"page:{key}")
    if found is None:
        found = query(key)[0][0]
        whole = math.floor(ttl_s)
        cache.set(f"page:{key}", found, ex=random.randint(max(math.ceil(whole / 2), 1), whole))
    return found
