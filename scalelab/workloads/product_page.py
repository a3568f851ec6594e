"""A shop's product page: PostgreSQL alone, or with a cache beside it (cache-aside)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.model import Place, Places
from scalelab.protocols import SessionContext

_PRODUCTS = 10_000
_REVIEWS = 10

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
    SELECT n, 'Product ' || n, 100 + n % 900 FROM generate_series(0, {_PRODUCTS - 1}) n;
INSERT INTO review
    SELECT n, n % {_PRODUCTS}, 1 + n % 5, 'customer ' || n % 997, repeat('Would buy again. ', 5)
    FROM generate_series(0, {_PRODUCTS * _REVIEWS - 1}) n;
CREATE INDEX review_product ON review (product);
"""

_PAGE = """
SELECT p.version, json_build_object(
    'name', p.name, 'price', p.price, 'stars', round(avg(r.stars), 1), 'reviews',
    json_agg(json_build_object('author', r.author, 'stars', r.stars, 'body', r.body)
             ORDER BY r.id DESC))
FROM product p JOIN review r ON r.product = p.id WHERE p.id = $1 GROUP BY p.id
"""

_UPDATE = "UPDATE product SET price = $2, version = version + 1 WHERE id = $1 RETURNING version"


class ProductPage:
    """Reads are pages of products, a few are popular; writes change a price.

    Options
    -------
    cache : look in the node of service ``redis`` first, fill it after a miss, delete after a write.
    ttl_s : seconds a page stays in the cache (default 60; up to a tenth more, at random).
    write_share : of all operations (default 0.02).
    """

    summary = "pages of a shop, joined from products and reviews, with or without a cache"
    keys = _PRODUCTS
    distribution = "zipfian"

    def load(self, places: Places) -> None:
        with sql.connect(_node(places, "postgres")) as connection, connection.transaction():
            if connection.execute("SELECT to_regclass('review')").fetchone() == (None,):
                connection.execute(_SCHEMA)
                connection.execute("ANALYZE product, review")

    def versions(self, places: Places) -> Sequence[int]:
        changed = "SELECT id, version FROM product WHERE version > 1"
        versions = [1] * _PRODUCTS
        with sql.connect(_node(places, "postgres")) as connection:
            for key, version in connection.execute(changed):
                versions[key] = version
        return versions

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Uncached:
        return _Cached(context, options) if options.get("cache") else _Uncached(context, options)


class _Uncached:
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.history = context.history
        self.chance = context.random.random
        self.write_share = float(options.get("write_share", 0.02))
        self.db = context.connect(_node(context.places, "postgres").node.name)
        self.db.prepare("page", _PAGE)
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
        price = 100 + int(900 * self.chance())
        changed = await self.db.execute("update", key, price)
        self.history.wrote(key, int(changed.get_value(0, 0)), self.context.now())


class _Cached(_Uncached):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.ttl_ms = int(1000 * float(options.get("ttl_s", 60)))
        self.cache = context.connect(_node(context.places, "redis").node.name)

    async def read(self, key: int) -> None:
        floor, invoked = self.history.reading(key), self.context.now()
        entry = await self.cache.get(key)
        if entry is not None:
            self.context.count("hit")
        else:
            self.context.count("miss")
            page = await self.db.execute("page", key)
            entry = page.get_value(0, 0) + b"\n" + page.get_value(0, 1)
            # Jitter, or all that was filled together would expire together.
            ttl_ms = self.ttl_ms + int(self.ttl_ms * self.chance() / 10)
            await self.cache.set(key, entry, px=ttl_ms)
        self.history.read(key, floor, int(entry[: entry.index(b"\n")]), invoked)

    async def write(self, key: int) -> None:
        price = 100 + int(900 * self.chance())
        changed = await self.db.execute("update", key, price)
        await self.cache.delete(key)
        # Acknowledged to the user only now: until then nobody can claim to have been promised it.
        self.history.wrote(key, int(changed.get_value(0, 0)), self.context.now())


def _node(places: Places, service: str) -> Place:
    return next(place for place in places.values() if place.node.service == service)


WORKLOAD = ProductPage()
