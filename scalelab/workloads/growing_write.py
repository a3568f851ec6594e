"""Sales written to shards while one more shard takes its part of the customers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import RequestFailed, UnknownName
from scalelab.model import Audit, Load, Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _routers

_CUSTOMERS = 1_200
_WAYS = ("modulo", "ring")
_BATCH = 40
_GROWS_AFTER_S = 0.8
"""Into a slice: its sessions write by then."""

# The shards themselves know which customers they hold; clients only guess. Each way to route has
# customers of its own, so that all are laid out alike whichever is driven. A lock that transfers
# wait for only shortly is one that a customer on the move keeps.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resident (way text, customer int, PRIMARY KEY (way, customer));
CREATE TABLE IF NOT EXISTS purchase
    (session bigint NOT NULL, number int NOT NULL, customer int NOT NULL);
CREATE INDEX IF NOT EXISTS purchase_customer ON purchase (customer);
CREATE TABLE IF NOT EXISTS pause (took_ms float NOT NULL);
ALTER DATABASE lab RESET lock_timeout;
"""
# The fence: a customer that moves is locked, and one that has moved is not there any more.
_INSERT = """
INSERT INTO purchase SELECT $1, $2, customer FROM resident WHERE way = $4 AND customer = $3
FOR KEY SHARE
"""
_LOCK = "SELECT FROM resident WHERE way = $1 AND customer = ANY ($2) FOR UPDATE"
_READ = """
SELECT coalesce(json_agg(purchase), '[]') FROM purchase WHERE customer = ANY ($1)
"""
_COPY = "INSERT INTO purchase SELECT * FROM json_populate_recordset(NULL::purchase, $1)"
_TAKE = "INSERT INTO resident SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING"
_LEAVE = """
WITH left_over AS (DELETE FROM purchase WHERE customer = ANY ($2))
DELETE FROM resident WHERE way = $1 AND customer = ANY ($2)
"""
_MOVES = {
    "begin": "BEGIN",
    "lock": _LOCK,
    "read": _READ,
    "copy": _COPY,
    "take": _TAKE,
    "leave": _LEAVE,
    "commit": "COMMIT",
    "pause": "INSERT INTO pause VALUES ($1)",
}


class GrowingWrite:
    """Every operation is one sale, durable on its customer's shard, of which one is new.

    All shards but the last have the customers when a slice begins. Soon the first session moves
    those who live elsewhere with one shard more, by ``route`` (``modulo`` or ``ring``), while the
    others go on writing: a client refused by the shard that a customer has left asks the new one.
    ``fenced``, a batch of customers is locked, copied, and given away in one step; otherwise all
    are copied first and then given away, as if nobody wrote in between.
    """

    summary = "sales on shards while one more shard takes its part; none may be lost on the way"
    keys = _CUSTOMERS
    distribution = "zipfian"

    def load(self, places: Places) -> None:
        sql.define(places, _SCHEMA)
        self.audit(places, None)

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        way = str(options.get("route", "ring"))
        if way not in _WAYS:
            raise UnknownName("way to route", way, _WAYS)
        return _Session(context, way, fenced=bool(options.get("fenced", True)))

    def audit(self, places: Places, load: Load | None) -> Audit:
        """What became of the sales, who moved and for how long they could not buy; begin anew."""
        shards = sql.primaries(places)
        sales: list[tuple[int, int]] = []
        pauses: list[float] = []
        routers = {way: _homes(way, len(shards)) for way in _WAYS}
        homes: dict[str, dict[int, int]] = {way: {} for way in _WAYS}
        for number, place in enumerate(shards):
            with sql.connect(place) as connection:
                sales += connection.execute("SELECT session, number FROM purchase").fetchall()
                pauses += [ms for (ms,) in connection.execute("SELECT took_ms FROM pause")]
                for way, customer in connection.execute("SELECT way, customer FROM resident"):
                    homes[way][customer] = number
                connection.execute("TRUNCATE purchase, resident, pause")
                for way, (before, _) in routers.items():
                    here = [each for each in range(_CUSTOMERS) if before(each) == number]
                    connection.execute(
                        "INSERT INTO resident SELECT %s, unnest(%s::int[])", (way, here)
                    )
        figures = {"pause_ms": max(pauses)} if pauses else {}
        for way, (before, after) in routers.items():
            found = homes[way]
            # While some have still to move there is no saying how many will have.
            if all(found.get(each) == after(each) for each in range(_CUSTOMERS)):
                moved = sum(found[each] != before(each) for each in found)
                figures["moved_share"] = moved / _CUSTOMERS
        return Audit(figures=figures, elements=sales)


def _homes(way: str, shards: int) -> tuple[_routers.Router, _routers.Router]:
    """Who lives where without the last shard, and with it."""
    return (
        _routers.router(way, shards - 1, _CUSTOMERS),
        _routers.router(way, shards, _CUSTOMERS),
    )


class _Session:
    def __init__(self, context: SessionContext, way: str, *, fenced: bool) -> None:
        self.context, self.adds, self.way = context, context.adds, way
        self.shards = [context.connect(place.node.name) for place in sql.primaries(context.places)]
        for shard in self.shards:
            shard.prepare("insert", _INSERT)
        self.homes = _homes(way, len(self.shards))
        self.moved: set[int] = set()
        self.steps = iter(()) if context.number else self.grow(fenced=fenced)

    async def operate(self) -> str:
        step = next(self.steps, None)
        if step is not None:
            await step
            return "move"
        customer = self.context.next_key()
        number = self.adds.attempt(self.context.now())
        try:
            if not await self.buy(customer, number):
                self.moved.add(customer)
                if not await self.buy(customer, number):
                    raise RequestFailed("lives nowhere")
        except RequestFailed as failure:
            if not failure.lost:
                self.adds.failed(number)
            raise
        self.adds.acknowledged(number)
        return "write"

    async def buy(self, customer: int, number: int) -> bool:
        """Write one sale where the customer is thought to live; whether it does."""
        shard = self.shards[self.homes[customer in self.moved](customer)]
        answer = await shard.execute("insert", self.adds.session, number, customer, self.way)
        return bool(answer.command_tuples)

    def grow(self, *, fenced: bool) -> Iterator[Awaitable[None]]:
        """Move all who live elsewhere with the new shard, a batch a step."""
        for shard in self.shards:
            for name, statement in _MOVES.items():
                shard.prepare(name, statement)
        yield self.context.sleep(_GROWS_AFTER_S)
        before, after = self.homes
        ways = defaultdict(list)
        for customer in range(_CUSTOMERS):
            if before(customer) != after(customer):
                ways[self.shards[before(customer)], self.shards[after(customer)]].append(customer)
        batches = [
            (old, new, "{" + ",".join(map(str, movers[at : at + _BATCH])) + "}")
            for (old, new), movers in ways.items()
            for at in range(0, len(movers), _BATCH)
        ]
        if fenced:
            for old, new, movers in batches:
                yield self.fenced(old, new, movers)
            return
        for old, new, movers in batches:
            yield self.copy(old, new, movers)
        for old, new, movers in batches:
            yield self.give(old, new, movers)

    async def fenced(self, old: Any, new: Any, movers: str) -> None:
        try:
            await old.execute("begin")
            await old.execute("lock", self.way, movers)
            locked = self.context.now()
            await self.copy(old, new, movers)
            await self.give(old, new, movers)
            await old.execute("commit")
        except RequestFailed:
            old.close()  # or its lock would stay
            raise
        await new.execute("pause", 1000 * (self.context.now() - locked))

    async def copy(self, old: Any, new: Any, movers: str) -> None:
        found = await old.execute("read", movers)
        await new.execute("copy", found.get_value(0, 0))

    async def give(self, old: Any, new: Any, movers: str) -> None:
        # The new shard first: somewhere they must live.
        await new.execute("take", self.way, movers)
        await old.execute("leave", self.way, movers)


WORKLOAD = GrowingWrite()
