"""A shop's product pages in PostgreSQL: what the workloads of the caching lab have in common."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from scalelab import sql
from scalelab.errors import RequestFailed
from scalelab.model import Audit, Load, Place, Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _statements

PRODUCTS = 10_000
_REVIEWS = 10
_PAUSE_S = 0.003

# Reviews are stored in the order they come in, not by product: as in a shop, where a page's
# reviews lie all over the table.
_SCHEMA = f"""
CREATE TABLE product (
    id int PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1,
    name text NOT NULL,
    price int NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE review (
    id int PRIMARY KEY,
    product int NOT NULL,
    stars int NOT NULL,
    author text NOT NULL,
    body text NOT NULL
);
INSERT INTO product (id, name, price)
    SELECT n, 'Product ' || n, 100 + n % 900 FROM generate_series(0, {PRODUCTS - 1}) n;
INSERT INTO review
    SELECT n, n % {PRODUCTS}, 1 + n % 5, 'customer ' || n % 997, repeat('Would buy again. ', 5)
    FROM generate_series(0, {PRODUCTS * _REVIEWS - 1}) n;
CREATE INDEX review_product ON review (product);
"""

PAGE = """
SELECT p.version, json_build_object(
    'name', p.name, 'price', p.price, 'stars', round(avg(r.stars), 1), 'reviews',
    json_agg(json_build_object('author', r.author, 'stars', r.stars, 'body', r.body)
             ORDER BY r.id DESC))
FROM product p JOIN review r ON r.product = p.id WHERE p.id = $1 GROUP BY p.id
"""

_UPDATE = "UPDATE product SET price = $2, version = version + 1 WHERE id = $1 RETURNING version"

STORE_NEWER = """
local there = redis.call('GET', KEYS[1])
if there and tonumber(string.match(there, '^%d+')) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. '\\n' .. ARGV[2], 'PX', ARGV[3])
return 1
"""
"""Stores version ARGV[1] of a page unless a newer one is there: compare and set, in the cache."""


class Shop:
    """The data of a shop; a workload over them adds its sessions."""

    keys = PRODUCTS
    distribution = "zipfian"

    def load(self, places: Places) -> None:
        with sql.connect(node(places, "postgres")) as connection, connection.transaction():
            if connection.execute("SELECT to_regclass('review')").fetchone() == (None,):
                connection.execute(_SCHEMA)
                connection.execute("ANALYZE product, review")

    def versions(self, places: Places) -> Sequence[int]:
        return sql.versions(node(places, "postgres"), "product", self.keys)


class CountedShop(Shop):
    """A shop whose database counts what it is asked, by its own count."""

    counted: ClassVar[str]
    """The text of the statements that count, as LIKE takes it."""

    def load(self, places: Places) -> None:
        super().load(places)
        _statements.install(node(places, "postgres"))

    def audit(self, places: Places, load: Load) -> Audit:
        """Queries a second of the slice."""
        asked = _statements.rate(node(places, "postgres"), self.counted, load)
        return Audit(figures={"origin_rate": asked})


class Customer:
    """A session without a cache: reads are pages of products, writes change a price."""

    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.history = context.history
        self.chance = context.random.random
        self.write_share = float(options.get("write_share", 0.02))
        self.db = context.connect(node(context.places, "postgres").node.name)
        self.db.prepare("page", PAGE)
        self.db.prepare("update", _UPDATE)

    async def operate(self) -> str:
        if self.chance() < self.write_share:
            await self.write(self.context.next_own_key())
            return "write"
        await self.read(self.context.next_key())
        return "read"

    async def read(self, key: int) -> None:
        floor, invoked = self.history.reading(key), self.context.now()
        page = await self.db.execute("page", key)
        self.history.read(key, floor, int(page.get_value(0, 0)), invoked)

    async def write(self, key: int) -> None:
        self.history.wrote(key, await self.change(key), self.context.now())

    async def change(self, key: int) -> int:
        """Change the price in the database; the new version."""
        changed = await self.db.execute("update", key, 100 + int(900 * self.chance()))
        return int(changed.get_value(0, 0))


class CachingCustomer(Customer):
    """A session with a cache beside the database: look aside, fill after a miss, delete.

    With the option ``fallback`` it goes on without a cache that is gone. Its deletes are lost then:
    right for a cache that was killed and starts empty, not for one that could not be reached.
    """

    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.ttl_ms = int(1000 * float(options.get("ttl_s", 60)))
        self.fallback = bool(options.get("fallback"))
        self.cache = context.connect(node(context.places, "redis").node.name)

    async def read(self, key: int) -> None:
        floor, invoked = self.history.reading(key), self.context.now()
        try:
            entry = await self.cache.get(key)
            if entry is not None:
                self.context.count("hit")
            else:
                self.context.count("miss")
                entry = await self.miss(key)
        except RequestFailed:
            if not self.fallback:
                raise
            entry = await self.load(key)
        self.history.read(key, floor, version_of(entry), invoked)

    async def miss(self, key: int) -> bytes:
        """What the database says, now in the cache, too."""
        entry = await self.load(key)
        await self.cache.set(key, entry, px=self.ttl())
        return entry

    async def load(self, key: int) -> bytes:
        """What the database says, as an entry of the cache."""
        page = await self.db.execute("page", key)
        entry: bytes = page.get_value(0, 0) + b"\n" + page.get_value(0, 1)
        return entry

    def ttl(self) -> int:
        """Milliseconds. With jitter, or all that was filled together would expire together."""
        return self.ttl_ms + int(self.ttl_ms * self.chance() / 10)

    async def write(self, key: int) -> None:
        version = await self.change(key)
        try:
            await self.cache.delete(key)
        except RequestFailed:
            if not self.fallback:
                raise
        # Acknowledged to the user only now: until then nobody can claim to have been promised it.
        self.history.wrote(key, version, self.context.now())


class Flights:
    """Loads under way in this process, so that who wants the same waits instead of asking again.

    Called single flight after Go's package of that name (golang.org/x/sync/singleflight).
    """

    _all: ClassVar[weakref.WeakKeyDictionary[Any, Flights]] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self._under_way: dict[Any, list[bytes]] = {}

    @classmethod
    def of(cls, context: SessionContext) -> Flights:
        """Those that all sessions of one slice in this process share, as they do their history."""
        return cls._all.setdefault(context.history, cls())

    async def load(
        self, context: SessionContext, key: Any, load: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """What one load returns to all who ask for this key while it is under way."""
        landed = self._under_way.get(key)
        if landed is None:
            landed = self._under_way[key] = []
            try:
                landed.append(await load())
            finally:
                del self._under_way[key]
            return landed[0]
        while self._under_way.get(key) is landed:
            await context.sleep(_PAUSE_S)
        # Who flew it failed: everybody for himself.
        return landed[0] if landed else await load()


def version_of(entry: bytes) -> int:
    """The version of a page in the cache."""
    return int(entry[: entry.index(b"\n")])


def node(places: Places, service: str) -> Place:
    """The node of this service."""
    return next(place for place in places.values() if place.node.service == service)
