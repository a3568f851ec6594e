"""One at a time, but everybody who waited asks the database all the same."""

import threading

_locks: dict = {}


def page(cache, query, key):
    found = cache.get(f"page:{key}")
    if found is None:
        with _locks.setdefault(key, threading.Lock()):
            found = query(key)[0][0]
            cache.set(f"page:{key}", found, ex=60)
    return found
