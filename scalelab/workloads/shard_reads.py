"""Reads of one shard, of all shards, and of two tables that are spread differently."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scalelab import sql
from scalelab.errors import UnknownName
from scalelab.model import Place, Places
from scalelab.protocols import SessionContext
from scalelab.workloads._together import together

if TYPE_CHECKING:
    import psycopg

_CUSTOMERS = 6_000
_PRODUCTS = 3_000
_PURCHASES = 30_000
_NEWEST = 10
_VIA = ("application", "router")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS product (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE IF NOT EXISTS purchase
    (id int PRIMARY KEY, customer int NOT NULL, product int NOT NULL);
CREATE INDEX IF NOT EXISTS purchase_customer ON purchase (customer);
CREATE INDEX IF NOT EXISTS purchase_product ON purchase (product, id);
"""
# Who bought what is computed, not drawn: alike on every shard and in every run.
_PRODUCTS_FILL = """
INSERT INTO product SELECT id, 'product ' || id FROM generate_series(0, %(products)s - 1) id
WHERE id >= %(low)s * %(products)s AND id < %(high)s * %(products)s ON CONFLICT DO NOTHING
"""
_PURCHASES_FILL = """
INSERT INTO purchase SELECT id, customer, (id * 7919::bigint + id / 7) %% %(products)s
FROM generate_series(0, %(purchases)s - 1) id, LATERAL (SELECT id %% %(customers)s AS customer) c
WHERE customer >= %(low)s * %(customers)s AND customer < %(high)s * %(customers)s
ON CONFLICT DO NOTHING
"""

_POINT = "SELECT id, product FROM purchase WHERE customer = $1"
_LATEST = f"SELECT id, customer FROM purchase WHERE product = $1 ORDER BY id DESC LIMIT {_NEWEST}"
_JOIN = """
SELECT purchase.id, product.name FROM purchase JOIN product ON product.id = purchase.product
WHERE customer = $1
"""
_NAMES = "SELECT id, name FROM product WHERE id = ANY ($1)"

_ROUTED = """
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE TABLE IF NOT EXISTS purchase (id int NOT NULL, customer int NOT NULL, product int NOT NULL)
PARTITION BY RANGE (customer);
"""


class ShardReads:
    """Every operation is one read; customers and products are spread by ranges of their numbers.

    ``query`` is ``point`` (a customer's purchases: on one shard), ``scatter`` (the newest purchases
    of a product: every shard is asked) or ``join`` (a customer's purchases with the names of the
    products: the purchases from one shard, then the names from all that have some). With
    ``via="router"`` PostgreSQL itself finds the shards: the purchases there are a table partitioned
    over foreign tables (postgres_fdw).
    """

    summary = "reads of one shard, of all shards, and joins over shards"
    keys = _CUSTOMERS
    distribution = "uniform"

    def load(self, places: Places) -> None:
        shards = sql.primaries(places)
        for number, place in enumerate(shards):
            with sql.connect(place) as connection:
                connection.execute(_SCHEMA)
                count = len(shards)
                sizes = {"products": _PRODUCTS, "customers": _CUSTOMERS, "purchases": _PURCHASES}
                part = {"low": number / count, "high": (number + 1) / count}
                for fill in (_PRODUCTS_FILL, _PURCHASES_FILL):
                    connection.execute(fill, {**sizes, **part})
        for place in places.values():
            if place.node.role == "router":
                with sql.connect(place) as connection:
                    _reach(connection, shards)
        for place in places.values():
            with sql.connect(place) as connection:
                connection.autocommit = True
                connection.execute("VACUUM ANALYZE")

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        return _Session(
            context, str(options.get("query", "point")), str(options.get("via", _VIA[0]))
        )


def _reach(router: psycopg.Connection[Any], shards: Sequence[Place]) -> None:
    """Make the router's partitions, each a table on a shard, under the address it has for peers."""
    from psycopg.sql import SQL, Identifier, Literal

    router.execute(_ROUTED)
    for number, place in enumerate(shards):
        name, count = Identifier(place.node.name), len(shards)
        bounds = (number * _CUSTOMERS // count, (number + 1) * _CUSTOMERS // count)
        for statement in (
            SQL("DROP SERVER IF EXISTS {} CASCADE").format(name),
            SQL(
                "CREATE SERVER {} FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
                " (host {}, port {}, dbname 'lab', async_capable 'true')"
            ).format(name, Literal(place.peer.host), Literal(str(place.peer.port))),
            SQL("CREATE USER MAPPING FOR lab SERVER {} OPTIONS (user 'lab', password {})").format(
                name, Literal(place.password)
            ),
            SQL(
                "CREATE FOREIGN TABLE {} PARTITION OF purchase FOR VALUES FROM ({}) TO ({})"
                " SERVER {} OPTIONS (table_name 'purchase')"
            ).format(Identifier(f"purchase_{place.node.name}"), *map(Literal, bounds), name),
        ):
            router.execute(statement)


class _Session:
    def __init__(self, context: SessionContext, query: str, via: str) -> None:
        if via not in _VIA:
            raise UnknownName("way to the shards", via, _VIA)
        self.next_key = context.next_key
        nodes = [place.node.name for place in sql.primaries(context.places)]
        if via == "router":
            nodes = [name for name, at in context.places.items() if at.node.role == "router"]
        self.nodes = [context.connect(name) for name in nodes]
        reads: dict[str, Callable[[int], Awaitable[Any]]] = {
            "point": self.point,
            "scatter": self.scatter,
            "join": self.join if len(nodes) > 1 else self.join_here,
        }
        if query not in reads:
            raise UnknownName("query", query, reads)
        self.read = reads[query]
        for node in self.nodes:
            if query == "scatter":
                node.prepare("latest", _LATEST)
            elif query == "join" and len(nodes) == 1:
                node.prepare("join", _JOIN)
            else:
                node.prepare("point", _POINT)
                node.prepare("names", _NAMES)

    async def operate(self) -> str:
        await self.read(self.next_key())
        return "read"

    def home(self, key: int, keys: int) -> int:
        """The shard of one of so many keys."""
        return key * len(self.nodes) // keys

    async def point(self, customer: int) -> list[tuple[int, int]]:
        found = await self.nodes[self.home(customer, _CUSTOMERS)].execute("point", customer)
        return _numbers(found)

    async def scatter(self, key: int) -> list[tuple[int, int]]:
        product = key % _PRODUCTS
        found = await together(*(node.execute("latest", product) for node in self.nodes))
        rows = (row for answer in found for row in _numbers(answer))
        return heapq.nlargest(_NEWEST, rows)

    async def join(self, customer: int) -> list[tuple[int, str]]:
        purchases = await self.point(customer)
        wanted: dict[int, set[int]] = {}
        for _, product in purchases:
            wanted.setdefault(self.home(product, _PRODUCTS), set()).add(product)
        asked = (
            self.nodes[shard].execute("names", "{" + ",".join(map(str, products)) + "}")
            for shard, products in wanted.items()
        )
        names = dict(row for answer in await together(*asked) for row in _texts(answer))
        return [(number, names[product]) for number, product in purchases]

    async def join_here(self, customer: int) -> list[tuple[int, str]]:
        return _texts(await self.nodes[0].execute("join", customer))


def _numbers(found: Any) -> list[tuple[int, int]]:
    value = found.get_value
    return [(int(value(row, 0)), int(value(row, 1))) for row in range(found.ntuples)]


def _texts(found: Any) -> list[tuple[int, str]]:
    value = found.get_value
    return [(int(value(row, 0)), value(row, 1).decode()) for row in range(found.ntuples)]


WORKLOAD = ShardReads()
