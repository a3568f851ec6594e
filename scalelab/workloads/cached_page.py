"""Product pages behind a cache, by the strategy that fills it and keeps it true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab.errors import UsageError
from scalelab.protocols import SessionContext
from scalelab.workloads import _statements
from scalelab.workloads._shop import (
    STORE_NEWER,
    CachingCustomer,
    CountedShop,
    Flights,
    version_of,
)

_BATCH = 50
_AHEAD = 0.3
_REFRESH_MS = 5_000

# The page with its new price, as the cache must have it: one round trip.
_CHANGE_PAGE = """
WITH p AS (
    UPDATE product SET price = $2, version = version + 1 WHERE id = $1
    RETURNING id, version, name, price)
SELECT p.version, json_build_object(
    'name', p.name, 'price', p.price, 'stars', round(avg(r.stars), 1), 'reviews',
    json_agg(json_build_object('author', r.author, 'stars', r.stars, 'body', r.body)
             ORDER BY r.id DESC))
FROM p JOIN review r ON r.product = p.id GROUP BY p.id, p.version, p.name, p.price
"""

# Rows are locked in their order, or two batches could wait for each other.
_FLUSH = """
WITH new AS (
    SELECT DISTINCT ON (id) (c->>0)::int AS id, (c->>1)::bigint AS version, (c->>2)::int AS price
    FROM json_array_elements($1::json) c, LATERAL (SELECT (c->>0)::int) AS k (id)
    ORDER BY id, (c->>1)::bigint DESC),
locked AS MATERIALIZED (
    SELECT p.id, new.version, new.price FROM product p JOIN new USING (id)
    WHERE new.version > p.version ORDER BY p.id FOR UPDATE OF p)
UPDATE product p SET price = locked.price, version = locked.version
FROM locked WHERE p.id = locked.id
"""

# Changes the price in the cached page, and takes the changes not yet in the database once there
# are enough. A changed page does not expire: until it is written, the cache is the only truth.
_CHANGE_CACHED = """
local entry = redis.call('GET', KEYS[1])
if not entry then return false end
local version, page = string.match(entry, '^(%d+)\\n(.*)$')
version = string.format('%d', version + 1)
page = string.gsub(page, '"price" : %d+', '"price" : ' .. ARGV[2], 1)
redis.call('SET', KEYS[1], version .. '\\n' .. page)
if redis.call('RPUSH', KEYS[2], '[' .. ARGV[1] .. ',' .. version .. ',' .. ARGV[2] .. ']')
    < tonumber(ARGV[3]) then return {version} end
local batch = redis.call('LRANGE', KEYS[2], 0, -1)
redis.call('DEL', KEYS[2])
return {version, unpack(batch)}
"""

# The page; and whether the reader has been chosen to refresh it, of which there is one.
_LOOK = """
local entry, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if not entry or left > tonumber(ARGV[1]) then return {entry} end
local mine = redis.call('SET', KEYS[1] .. ':refresh', 1, 'NX', 'PX', ARGV[2])
return {entry, mine and 1 or 0}
"""


class CachedPage(CountedShop):
    """Reads are pages of products, a few are popular; writes change a price.

    Options
    -------
    strategy : ``aside``, the application fills the cache after a miss and deletes after a write;
        ``read-through``, the cache's client loads what is missing, once for all who ask for it at
        the same time; ``write-through``, a write puts the new page into the cache as well;
        ``write-behind``, a write goes to the cache, and to the database later, 50 at once;
        ``refresh-ahead``, a page that is read shortly before it expires is loaded anew.
    cold : the cache is emptied as a slice begins (default False).
    ttl_s, write_share : as of ``product_page``.
    """

    summary = "pages of a shop behind a cache, by the strategy that keeps it filled and true"
    # All statements of the sessions, and only theirs, speak of products with parameters.
    counted = "%product%$1%"

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Aside:
        strategy = options.get("strategy", "aside")
        if strategy not in _STRATEGIES:
            hint = f"use one of {', '.join(_STRATEGIES)}"
            raise UsageError(f"option strategy is {strategy!r}", hint)
        return _STRATEGIES[strategy](context, options)


class _Aside(CachingCustomer):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.db.prepare("zero", _statements.ZERO)
        self.begun = context.number > 0
        self.cold = bool(options.get("cold"))

    async def operate(self) -> str:
        if not self.begun:  # what is counted is this slice
            self.begun = True
            await self.db.execute("zero")
            if self.cold:
                await self.cache.execute("FLUSHALL")
        return await super().operate()


class _ReadThrough(_Aside):
    async def miss(self, key: int) -> bytes:
        async def fill() -> bytes:
            return await super(_ReadThrough, self).miss(key)

        return await Flights.of(self.context).load(self.context, key, fill)


class _WriteThrough(_Aside):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.db.prepare("change", _CHANGE_PAGE)

    async def miss(self, key: int) -> bytes:
        entry = await self.load(key)
        await self.store(key, *entry.split(b"\n", 1))
        return entry

    async def write(self, key: int) -> None:
        page = await self.db.execute("change", key, 100 + int(900 * self.chance()))
        await self.store(key, page.get_value(0, 0), page.get_value(0, 1))
        self.history.wrote(key, int(page.get_value(0, 0)), self.context.now())

    async def store(self, key: int, version: bytes, page: bytes) -> None:
        # Two may write the same page at once, and the cache must end with the later of them.
        await self.cache.execute("EVAL", STORE_NEWER, 1, key, version, page, self.ttl())


class _WriteBehind(_Aside):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.db.prepare("flush", _FLUSH)

    async def miss(self, key: int) -> bytes:
        entry = await self.load(key)
        # What is there is newer than the database.
        if await self.cache.execute("SET", key, entry, "NX", "PX", self.ttl()) is None:
            return await self.cache.get(key) or entry
        return entry

    async def write(self, key: int) -> None:
        price = 100 + int(900 * self.chance())
        while True:
            change = (_CHANGE_CACHED, 2, key, "unwritten", key, price, _BATCH)
            changed = await self.cache.execute("EVAL", *change)
            if changed is not None:
                break
            await self.miss(key)
        version, *batch = changed
        self.history.wrote(key, int(version), self.context.now())
        if batch:
            await self.db.execute("flush", b"[" + b",".join(batch) + b"]")


class _RefreshAhead(_Aside):
    """Loads in an operation of its own, which no reader waits for."""

    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.due: int | None = None

    async def operate(self) -> str:
        if self.due is None:
            return await super().operate()
        key, self.due = self.due, None
        await self.miss(key)
        await self.cache.delete(f"{key}:refresh")
        return "refresh"

    async def read(self, key: int) -> None:
        floor, invoked = self.history.reading(key), self.context.now()
        ahead_ms = int(_AHEAD * self.ttl_ms)
        entry, *mine = await self.cache.execute("EVAL", _LOOK, 1, key, ahead_ms, _REFRESH_MS)
        if entry is None:
            self.context.count("miss")
            entry = await self.miss(key)
        else:
            self.context.count("hit")
            if mine == [1]:
                self.due = key
        self.history.read(key, floor, version_of(entry), invoked)


_STRATEGIES: Mapping[str, type[_Aside]] = {
    "aside": _Aside,
    "read-through": _ReadThrough,
    "write-through": _WriteThrough,
    "write-behind": _WriteBehind,
    "refresh-ahead": _RefreshAhead,
}

WORKLOAD = CachedPage()
