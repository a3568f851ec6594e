"""The cache remembers the newest version it was told of, and takes nothing older."""

_STORE = """
local there = redis.call('HGET', KEYS[1], 'version')
if there and tonumber(there) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'text', ARGV[2])
return 1
"""


def read(cache, key, load):
    """The page of this key, as text."""
    text = cache.hget(f"page:{key}", "text")
    if text is None:
        version, text = load(key)[0]
        cache.eval(_STORE, 1, f"page:{key}", version, text)
    return text


def write(cache, key, store, text):
    """Change the page."""
    version = store(text, key)[0][0]
    cache.eval(_STORE, 1, f"page:{key}", version, text)
