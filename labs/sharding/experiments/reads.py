"""Sharding: what does a read cost that is not of one shard?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, query: str) -> Variant:
    options = {"query": query}
    return Variant(name, "sharding", "shard_reads", params={"shards": 3}, options=options)


LAB = Lab(
    title="Sharding: reads",
    question="What does a read cost that needs all shards, or joins over them?",
    counted="read",
    variants=(
        _variant("point", "point"),
        _variant("scatter", "scatter"),
        _variant("join-shards", "join"),
        Variant("join-one", "single", "shard_reads", options={"query": "join"}),
    ),
    claims=(
        Claim("asking all three gives at most 60% of the reads", "scatter", "ratio", high=0.6),
        Claim("so does a join in the application", "join-shards", "ratio", high=0.6),
    ),
    predictions=(
        Prediction(
            "How many times the reads of one shard are left when all three are asked?",
            "scatter",
            "ratio",
        ),
        Prediction("How long will a typical join over shards (p50) take?", "join-shards", "p50_ms"),
        Prediction("And the same join in one server?", "join-one", "p50_ms"),
    ),
    duration_s=1,
)
