"""Pages that change often, and slow readers: the stale set after the delete, and its cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab.errors import UsageError
from scalelab.protocols import SessionContext
from scalelab.workloads._shop import STORE_NEWER, CachingCustomer, Customer, Shop

_NO_PAGE = b""


class RacedPage(Shop):
    """Cache-aside on a few pages, with readers that are slow between the database and the cache.

    Options
    -------
    fill : how a reader puts a page into the cache. ``plain``: it sets it. ``newer``: only when
        the cache knows of no newer version, which a writer leaves there instead of deleting.
    delay_ms : how long some readers need from the database's answer to the cache (default 0).
    slow_share : of the misses (default 0.2).
    ttl_s, write_share : as of ``product_page``.
    """

    summary = "a few pages of a shop that change often, and readers slow to fill the cache"
    keys = 200

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Customer:
        fill = options.get("fill", "plain")
        if fill not in ("plain", "newer"):
            raise UsageError(f"option fill is {fill!r}", "use plain or newer")
        return (_Newer if fill == "newer" else _Slow)(context, options)


class _Slow(CachingCustomer):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.delay_s = float(options.get("delay_ms", 0)) / 1000
        self.slow_share = float(options.get("slow_share", 0.2))

    async def load(self, key: int) -> bytes:
        entry = await super().load(key)
        if self.delay_s and self.chance() < self.slow_share:
            await self.context.sleep(self.delay_s)
        return entry


class _Newer(_Slow):
    """Leaves the version of a change in the cache, so that an older page is not put over it.

    The idea of memcached's leases, by versions instead of tokens: R. Nishtala et al., "Scaling
    Memcache at Facebook", NSDI 2013, section 3.2.1.
    """

    async def read(self, key: int) -> None:
        floor, invoked = self.history.reading(key), self.context.now()
        entry = await self.cache.get(key)
        if entry is not None and not entry.endswith(b"\n"):
            self.context.count("hit")
        else:
            self.context.count("miss")
            entry = await self.load(key)
            version, _, page = entry.partition(b"\n")
            await self.store(key, version, page)
        self.history.read(key, floor, int(entry[: entry.index(b"\n")]), invoked)

    async def write(self, key: int) -> None:
        version = await self.change(key)
        await self.store(key, version, _NO_PAGE)
        self.history.wrote(key, version, self.context.now())

    async def store(self, key: int, version: int | bytes, page: bytes) -> None:
        await self.cache.execute("EVAL", STORE_NEWER, 1, key, version, page, self.ttl())


WORKLOAD = RacedPage()
