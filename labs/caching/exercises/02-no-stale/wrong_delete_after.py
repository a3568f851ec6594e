"""Cache-aside as everybody writes it: a slow reader sets an old page after the delete."""


def read(cache, key, load):
    text = cache.get(f"page:{key}")
    if text is None:
        text = load(key)[0][1]
        cache.set(f"page:{key}", text)
    return text


def write(cache, key, store, text):
    store(text, key)
    cache.delete(f"page:{key}")
