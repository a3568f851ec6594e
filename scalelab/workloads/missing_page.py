"""Pages of products that do not exist: how often is the database asked for them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab.model import Places
from scalelab.protocols import SessionContext
from scalelab.workloads import _statements
from scalelab.workloads._shop import PRODUCTS, CachingCustomer, CountedShop

_NO_PAGE = b""


class MissingPage(CountedShop):
    """Reads of pages, cache-aside; for some of them there is no product, and there never was.

    Options
    -------
    missing_share : of the reads, those of a page that there is not (default 0.5).
    remember : also cache the answer that there is no such page (default False).
    remember_s : for so many seconds (default 2).
    ttl_s : as of ``product_page``.
    """

    summary = "pages of a shop, half of which do not exist, behind a cache"
    keys = 200
    distribution = "uniform"
    counted = "%FROM product p JOIN%"

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Reader:
        return _Reader(context, options)


class _Reader(CachingCustomer):
    def __init__(self, context: SessionContext, options: Mapping[str, Any]) -> None:
        super().__init__(context, options)
        self.missing_share = float(options.get("missing_share", 0.5))
        self.remember = bool(options.get("remember"))
        self.remember_ms = int(1000 * float(options.get("remember_s", 2)))
        self.db.prepare("zero", _statements.ZERO)
        self.begun = context.number > 0

    async def operate(self) -> str:
        if not self.begun:  # what is counted is this slice
            self.begun = True
            await self.db.execute("zero")
        key = self.context.next_key()
        await self.read(key + PRODUCTS if self.chance() < self.missing_share else key)
        return "read"

    async def read(self, key: int) -> None:
        if await self.cache.get(key) is not None:
            self.context.count("hit")
            return
        self.context.count("miss")
        page = await self.db.execute("page", key)
        if page.ntuples:
            await self.cache.set(key, page.get_value(0, 1), px=self.ttl())
        elif self.remember:
            await self.cache.set(key, _NO_PAGE, px=self.remember_ms)


WORKLOAD = MissingPage()
