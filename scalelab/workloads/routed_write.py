"""Sales written to the shard that a router names: who gets how much to do?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import UnknownName
from scalelab.model import Audit, Load, Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _routers

_CUSTOMERS = 100_000
_NEW = 100_000
"""New customers of one session: it numbers them one after the other, so it visits every shard."""
_KEYS = ("popular", "counted")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sale (customer int NOT NULL, amount int NOT NULL, note text NOT NULL)
"""
_INSERT = "INSERT INTO sale VALUES ($1, $2, $3)"
_NOTE = "x" * 80


class RoutedWrite:
    """Every operation is one sale, stored durably on its customer's shard.

    ``route`` is how that is found: ``modulo``, ``range``, ``directory`` or ``ring``. With
    ``keys="popular"`` customers are known ones, some of whom buy far more often than others; with
    ``"counted"`` each is a new one, numbered on from its session's last.
    """

    summary = "sales, each one durable commit, on the shard that a router names"
    keys = _CUSTOMERS
    distribution = "ranked"

    def load(self, places: Places) -> None:
        sql.define(places, _SCHEMA, "TRUNCATE sale")

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        keys = str(options.get("keys", "popular"))
        if keys not in _KEYS:
            raise UnknownName("kind of keys", keys, _KEYS)
        return _Session(context, str(options.get("route", "modulo")), counted=keys == "counted")

    def audit(self, places: Places, load: Load) -> Audit:
        """How many sales the busiest shard got, over the mean; then begin anew."""
        written = []
        for place in sql.primaries(places):
            with sql.connect(place) as connection:
                row = connection.execute("SELECT count(*) FROM sale").fetchone()
                assert row is not None
                written.append(int(row[0]))
                connection.execute("TRUNCATE sale")
        if not sum(written):
            return Audit()
        return Audit(figures={"hottest_share": max(written) * len(written) / sum(written)})


class _Session:
    def __init__(self, context: SessionContext, route: str, *, counted: bool) -> None:
        self.random = context.random
        self.shards = [context.connect(place.node.name) for place in sql.primaries(context.places)]
        for shard in self.shards:
            shard.prepare("insert", _INSERT)
        self.shard = _routers.router(route, len(self.shards), _CUSTOMERS)
        new = itertools.count(_CUSTOMERS + context.number * _NEW)
        self.next_key = new.__next__ if counted else context.next_key

    async def operate(self) -> str:
        customer = self.next_key()
        shard = self.shards[self.shard(customer)]
        await shard.execute("insert", customer, int(1000 * self.random.random()), _NOTE)
        return "write"


WORKLOAD = RoutedWrite()
