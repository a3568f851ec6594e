"""Deletes again a little later: how slow a reader is, nobody knows."""

import time


def read(cache, key, load):
    text = cache.get(f"page:{key}")
    if text is None:
        text = load(key)[0][1]
        cache.set(f"page:{key}", text)
    return text


def write(cache, key, store, text):
    store(text, key)
    cache.delete(f"page:{key}")
    time.sleep(0.2)
    cache.delete(f"page:{key}")
