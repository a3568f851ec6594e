"""Once a page, but readers of one page wait for all others."""

import threading

_lock = threading.Lock()


def page(cache, query, key):
    found = cache.get(f"page:{key}")
    if found is None:
        with _lock:
            found = cache.get(f"page:{key}")
            if found is None:
                found = query(key)[0][0]
                cache.set(f"page:{key}", found, ex=60)
    return found
