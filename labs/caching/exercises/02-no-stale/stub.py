"""Pages in a cache beside the database."""


def read(cache, key, load):
    """The page of this key, as text."""
    return load(key)[0][1]


def write(cache, key, store, text):
    """Change the page."""
    store(text, key)
