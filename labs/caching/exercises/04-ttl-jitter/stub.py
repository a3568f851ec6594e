"""A page from the cache, where it stays for a while, or from the database."""


def page(cache, query, key, ttl_s):
    """The page of this key, at most ttl_s seconds old."""
    found = cache.get(f"page:{key}")
    if found is None:
        found = query(key)[0][0]
        cache.set(f"page:{key}", found, px=int(1000 * ttl_s))
    return found
