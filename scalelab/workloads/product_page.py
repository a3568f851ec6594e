"""A shop's product page: PostgreSQL alone, or with a cache beside it (cache-aside)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelab.protocols import SessionContext
from scalelab.workloads._shop import CachingCustomer, Customer, Shop


class ProductPage(Shop):
    """Reads are pages of products, a few are popular; writes change a price.

    Options
    -------
    cache : look in the node of service ``redis`` first, fill it after a miss, delete after a write.
    ttl_s : seconds a page stays in the cache (default 60; up to a tenth more, at random).
    fallback : without a cache that answers, go on with the database alone (default False).
    write_share : of all operations (default 0.02).
    """

    summary = "pages of a shop, joined from products and reviews, with or without a cache"

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Customer:
        kind = CachingCustomer if options.get("cache") else Customer
        return kind(context, options)


WORKLOAD = ProductPage()
