"""A page from the cache, or from the database when it is not there."""


def page(cache, query, key):
    """The page of this key."""
    found = cache.get(f"page:{key}")
    if found is None:
        found = query(key)[0][0]
        cache.set(f"page:{key}", found, ex=60)
    return found
