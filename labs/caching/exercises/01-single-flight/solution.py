"""One load at a time for each page: who waited looks into the cache again."""

import threading

_locks: dict = {}


def page(cache, query, key):
    """The page of this key."""
    name = f"page:{key}"
    found = cache.get(name)
    if found is not None:
        return found
    # In one step: of two threads that find no lock, both get the same.
    with _locks.setdefault(key, threading.Lock()):
        found = cache.get(name)  # somebody may have loaded it while we waited
        if found is None:
            found = query(key)[0][0]
            cache.set(name, found, ex=60)
        return found
