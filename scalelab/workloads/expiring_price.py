"""Prices that are all cached at one moment: do they all expire at one moment, too?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from scalelab import sql
from scalelab.errors import UsageError
from scalelab.model import Audit, Load, Places
from scalelab.protocols import Session, SessionContext
from scalelab.workloads import _statements
from scalelab.workloads._shop import Shop, node

_TICK_S = 0.1
_READ = "SELECT version, price FROM product WHERE id = $1"
# What the database has answered so far, noted there, by its own clock.
_SCHEMA = """
CREATE UNLOGGED TABLE IF NOT EXISTS asked
    (at timestamptz NOT NULL DEFAULT clock_timestamp(), calls bigint NOT NULL)
"""
_NOTE = """
INSERT INTO asked (calls)
SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%FROM product WHERE id%'
"""


class ExpiringPrice(Shop):
    """Reads of prices, cache-aside. A slice begins with an empty cache, which is full in moments.

    One session, the first, reads nothing: ten times a second it has the database note how often it
    has been asked so far, from half a TTL after the start on.

    Options
    -------
    ttl_s : seconds a price stays in the cache (default 1).
    jitter : how much shorter or longer each may stay, at random, as a share of that (default 0).
    """

    summary = "prices cached all at one moment, which expire at one moment, or do not"
    keys = 300
    distribution = "uniform"

    def load(self, places: Places) -> None:
        super().load(places)
        database = node(places, "postgres")
        _statements.install(database)
        with sql.connect(database) as connection:
            connection.execute(_SCHEMA)

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Session:
        ttl_s, jitter = float(options.get("ttl_s", 1)), float(options.get("jitter", 0))
        if not 0 <= jitter <= 0.5:
            raise UsageError(f"option jitter is {jitter:g}", "use 0 to 0.5")
        if context.number == 0:
            return _Observer(context, ttl_s / 2)
        return _Reader(context, 1000 * ttl_s, jitter)

    def audit(self, places: Places, load: Load) -> Audit:
        """Queries a second, and how many times that in the busiest tenth of a second."""
        noted = "SELECT extract(epoch FROM at)::float8, calls FROM asked ORDER BY at"
        with sql.connect(node(places, "postgres")) as connection:
            rows = connection.execute(noted).fetchall()
        if len(rows) < 2 or rows[0][1] == rows[-1][1]:
            return Audit()
        mean, *_ = _rates([rows[0], rows[-1]])
        return Audit(figures={"origin_rate": mean, "origin_peak": max(_rates(rows)) / mean})


def _rates(rows: Sequence[tuple[float, int]]) -> list[float]:
    """Queries a second between one note and the next."""
    return [(calls - before) / (at - since) for (since, before), (at, calls) in pairwise(rows)]


class _Reader:
    def __init__(self, context: SessionContext, ttl_ms: float, jitter: float) -> None:
        self.context, self.ttl_ms, self.jitter = context, ttl_ms, jitter
        self.db = context.connect(node(context.places, "postgres").node.name)
        self.db.prepare("read", _READ)
        self.cache = context.connect(node(context.places, "redis").node.name)

    async def operate(self) -> str:
        key = self.context.next_key()
        if await self.cache.get(key) is not None:
            self.context.count("hit")
        else:
            self.context.count("miss")
            price = await self.db.execute("read", key)
            await self.cache.set(key, price.get_value(0, 1), px=self.ttl())
        return "read"

    def ttl(self) -> int:
        return int(self.ttl_ms * self.context.random.uniform(1 - self.jitter, 1 + self.jitter))


class _Observer:
    def __init__(self, context: SessionContext, after_s: float) -> None:
        self.context, self.after_s = context, after_s
        self.begun = False
        self.db = context.connect(node(context.places, "postgres").node.name)
        self.db.prepare("zero", _statements.ZERO)
        self.db.prepare("forget", "TRUNCATE asked")
        self.db.prepare("note", _NOTE)
        self.cache = context.connect(node(context.places, "redis").node.name)

    async def operate(self) -> str:
        if not self.begun:
            self.begun = True
            await self.db.execute("zero")
            await self.db.execute("forget")
            await self.cache.execute("FLUSHALL")
            # Until then the cache is being filled, and that is no expiry.
            await self.context.sleep(self.after_s)
        await self.db.execute("note")
        await self.context.sleep(_TICK_S)
        return "look"


WORKLOAD = ExpiringPrice()
