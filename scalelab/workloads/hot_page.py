"""One costly page that everybody reads and that expires every second: a stampede, and its cures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scalelab.errors import UsageError
from scalelab.model import Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _statements
from scalelab.workloads._shop import CountedShop, Flights, node

_BEST = """
SELECT json_agg(best) FROM (
    SELECT product, round(avg(stars), 2) AS stars FROM review WHERE id < 5000
    GROUP BY product ORDER BY 2 DESC, 1 LIMIT 10) best
"""
_KEY, _LOCK = "best", "best:lock"
_PAUSE_S = 0.005
_LOCK_MS = 10_000
# One round trip for the page and the milliseconds it has left, by the cache's own clock.
_LOOK = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"
# Only who holds the lock may lift it: its time may be over, and the lock somebody else's.
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0"


class HotPage(CountedShop):
    """Every operation reads the shop's list of best products, from the cache while it is there.

    Options
    -------
    protect : what is done so that not everybody asks the database when the page is gone.
        ``nothing``; ``single-flight``, one load a process, the others wait for it; ``lock``, one
        load for all processes, by a lock in the cache; ``early``, a reader may load anew before
        the page expires, the likelier the nearer that is, and who finds it gone takes the lock.
    ttl_s : seconds the page stays in the cache (default 1).
    """

    summary = "one costly page of a shop, read by everybody, that expires every second"
    keys = 1
    distribution = "uniform"
    counted = "%FROM review WHERE%"

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Reader:
        protect = options.get("protect", "nothing")
        if protect not in _READERS:
            raise UsageError(f"option protect is {protect!r}", f"use one of {', '.join(_READERS)}")
        return _READERS[protect](context, options)


class _Reader:
    """Reads; when the page is gone it loads it, as everybody else does at that moment."""

    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        self.context = context
        self.ttl_ms = int(1000 * float(options.get("ttl_s", 1)))
        self.db = context.connect(node(context.places, "postgres").node.name)
        self.db.prepare("best", _BEST)
        self.db.prepare("zero", _statements.ZERO)
        self.cache = context.connect(node(context.places, "redis").node.name)
        self.begun = context.number > 0

    async def operate(self) -> str:
        if not self.begun:  # what is counted is this slice
            self.begun = True
            await self.db.execute("zero")
        await self.read()
        return "read"

    async def read(self) -> None:
        if await self.cache.get(_KEY) is not None:
            self.context.count("hit")
            return
        self.context.count("miss")
        await self.miss()

    async def miss(self) -> None:
        await self.load()

    async def load(self) -> bytes:
        best = await self.db.execute("best")
        page: bytes = best.get_value(0, 0)
        await self.cache.set(_KEY, page, px=self.ttl_ms)
        return page


class _SingleFlight(_Reader):
    async def miss(self) -> None:
        await Flights.of(self.context).load(self.context, _KEY, self.load)


class _Lock(_Reader):
    async def miss(self) -> None:
        mine = f"{self.context.number}/{self.context.now()}"
        while not await self.cache.execute("SET", _LOCK, mine, "NX", "PX", _LOCK_MS):
            await self.context.sleep(_PAUSE_S)
            if await self.cache.get(_KEY) is not None:
                return
        # Between the look at the page and the lock, another may have had the lock and filled it.
        if await self.cache.get(_KEY) is None:
            await self.load()
        await self.cache.execute("EVAL", _UNLOCK, 1, _LOCK, mine)


class _Early(_Lock):
    """Probabilistic early expiration: XFetch with beta 1; by lock once the page is gone.

    Without the lock a cold start is its end: everybody loads, so that each load takes long, so
    that the next one is due at once.

    A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention",
    PVLDB 8(8), 2015.
    """

    async def read(self) -> None:
        entry, left_ms = await self.cache.execute("EVAL", _LOOK, 1, _KEY)
        if entry is None:
            self.context.count("miss")
            await self.miss()
            return
        self.context.count("hit")
        took_s = float(entry[: entry.index(b"\n")])
        if 1000 * took_s * -math.log(1 - self.context.random.random()) >= left_ms:
            await self.load()

    async def load(self) -> bytes:
        began = self.context.now()
        best = await self.db.execute("best")
        page: bytes = b"%f\n" % (self.context.now() - began) + best.get_value(0, 0)
        await self.cache.set(_KEY, page, px=self.ttl_ms)
        return page


_READERS: Mapping[str, type[_Reader]] = {
    "nothing": _Reader,
    "single-flight": _SingleFlight,
    "lock": _Lock,
    "early": _Early,
}

WORKLOAD = HotPage()
