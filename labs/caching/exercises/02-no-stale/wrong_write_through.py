"""The new page is set at once, and the slow reader sets the old one over it."""


def read(cache, key, load):
    text = cache.get(f"page:{key}")
    if text is None:
        text = load(key)[0][1]
        cache.set(f"page:{key}", text)
    return text


def write(cache, key, store, text):
    store(text, key)
    cache.set(f"page:{key}", text)
