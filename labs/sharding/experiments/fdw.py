"""Sharding: who should know where the rows are, the application or a server in front?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, query: str, via: str) -> Variant:
    router = "fdw" if via == "router" else "none"
    return Variant(
        name,
        "sharding",
        "shard_reads",
        params={"shards": 3, "router": router},
        options={"query": query, "via": via},
    )


LAB = Lab(
    title="Sharding: postgres_fdw",
    question="What does it cost to let PostgreSQL itself find the shards?",
    counted="read",
    variants=(
        _variant("application", "point", "application"),
        _variant("router", "point", "router"),
        _variant("application-all", "scatter", "application"),
        _variant("router-all", "scatter", "router"),
    ),
    claims=(
        Claim("the router gives at most half of the reads", "router", "ratio", high=0.5),
        Claim("and as little when all shards are asked", "router-all", "ratio", high=0.5),
    ),
    predictions=(
        Prediction("How many times the reads will the router give?", "router", "ratio"),
        Prediction("How long will a typical read (p50) take through it?", "router", "p50_ms"),
    ),
    duration_s=1.5,
)
