"""PostgreSQL with a Redis-protocol cache beside it."""

from scalelab.model import Node, Parameter, Params, TopologyKind

_POLICIES = (
    *(f"{scope}-{rule}" for scope in ("allkeys", "volatile") for rule in ("lru", "lfu", "random")),
    "volatile-ttl",
    "noeviction",
)

# What a cache is to take off the database can then be counted there.
_COUNTING = {"shared_preload_libraries": "pg_stat_statements"}


def _build(params: Params) -> tuple[Node, ...]:
    cache = {
        "maxmemory": f"{params['maxmemory_mb']}mb",
        "maxmemory-policy": str(params["policy"]),
    }
    return (
        Node("primary", "postgres", "primary", settings=_COUNTING),
        Node("cache", "redis", "cache", settings=cache),
    )


TOPOLOGY = TopologyKind(
    summary="PostgreSQL and a Redis-protocol cache",
    parameters=(
        Parameter("maxmemory_mb", int, 64, "memory the cache may fill, MB", low=2, high=65_536),
        Parameter("policy", str, "allkeys-lru", "what is evicted when full", choices=_POLICIES),
    ),
    build=_build,
)
