"""A customer's orders, summed up: on one node, or with reads spread over replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import RequestFailed, UsageError
from scalelab.model import Places
from scalelab.protocols import SessionContext

_CUSTOMERS = 2_000
_ORDERS = 50
_AVOIDED_S = 1.0

# Orders come in as customers buy, so that those of one customer lie all over the table.
_SCHEMA = f"""
CREATE TABLE customer (
    id int PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1,
    name text NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE purchase (id int PRIMARY KEY, customer int NOT NULL, cents int NOT NULL);
INSERT INTO customer (id, name)
    SELECT n, 'Customer ' || n FROM generate_series(0, {_CUSTOMERS - 1}) n;
INSERT INTO purchase
    SELECT n, n % {_CUSTOMERS}, 100 + n % 9900
    FROM generate_series(0, {_CUSTOMERS * _ORDERS - 1}) n;
CREATE INDEX purchase_customer ON purchase (customer);
"""

_READ = """
SELECT c.version, c.name, count(*), sum(p.cents), max(p.id)
FROM customer c JOIN purchase p ON p.customer = c.id WHERE c.id = $1 GROUP BY c.id
"""
_WRITE = "UPDATE customer SET version = version + 1 WHERE id = $1 RETURNING version"


class CustomerOrders:
    """Reads of what a customer has bought: so much work that the load is never the limit.

    Writes go to the primary. A node that does not answer is avoided for a second: the request
    fails, and the next ones go elsewhere, if there is anywhere else.

    Options
    -------
    reads : ``primary``, or ``spread``: each to the primary or any replica, at random.
    write_share : of all operations (default 0.02).
    """

    summary = "what customers have bought, summed up; read from the primary, or also from replicas"
    keys = _CUSTOMERS
    distribution = "zipfian"

    def load(self, places: Places) -> None:
        with sql.connect(sql.primaries(places)[0]) as connection:
            if connection.execute("SELECT to_regclass('purchase')").fetchone() == (None,):
                connection.execute(_SCHEMA)
                connection.commit()
                connection.autocommit = True
                connection.execute("VACUUM (FREEZE, ANALYZE) customer, purchase")
        sql.await_replay(places)

    def versions(self, places: Places) -> Sequence[int]:
        return sql.versions(sql.primaries(places)[0], "customer", _CUSTOMERS)

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        return _Session(context, options)


class _Session:
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.history = context.history
        self.chance = context.random.random
        self.write_share = float(options.get("write_share", 0.02))
        reads = options.get("reads", "primary")
        if reads not in ("primary", "spread"):
            raise UsageError(f"option reads is {reads!r}", "use primary or spread")
        self.primary = context.connect(sql.primaries(context.places)[0].node.name)
        self.primary.prepare("read", _READ)
        self.primary.prepare("write", _WRITE)
        self.readers = [self.primary]
        for name, place in context.places.items():
            if reads == "spread" and place.node.follows is not None:
                replica = context.connect(name)
                replica.prepare("read", _READ)
                self.readers.append(replica)
        self.avoided: dict[int, float] = {}

    async def operate(self) -> str:
        if self.chance() < self.write_share:
            key = self.context.next_own_key()
            changed = await self.primary.execute("write", key)
            self.history.wrote(key, int(changed.get_value(0, 0)), self.context.now())
            return "write"
        number = self.pick()
        key = self.context.next_key()
        floor, invoked = self.history.reading(key), self.context.now()
        try:
            row = await self.readers[number].execute("read", key)
        except RequestFailed as failure:
            if failure.lost:
                self.avoided[number] = self.context.now() + _AVOIDED_S
            raise
        self.history.read(key, floor, int(row.get_value(0, 0)), invoked)
        return "read"

    def pick(self) -> int:
        """The reader to ask: one that answered last time, if there is any."""
        number = int(self.chance() * len(self.readers))
        if not self.avoided:
            return number
        now = self.context.now()
        self.avoided = {each: until for each, until in self.avoided.items() if until > now}
        others = [each for each in range(len(self.readers)) if each not in self.avoided]
        return others[number % len(others)] if others else number


WORKLOAD = CustomerOrders()
