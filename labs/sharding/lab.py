"""Sharding: what spreading the writes over independent databases buys, and what it costs."""

from scalelab.model import Claim, Lab, Prediction, Variant

LAB = Lab(
    title="Sharding",
    question="How many more writes do three databases take than one?",
    counted="write",
    variants=(
        Variant("single", "single", "insert_write"),
        Variant("three-shards", "sharding", "insert_write", params={"shards": 3}),
    ),
    claims=(Claim("three shards take at least 2x the writes", "three-shards", "ratio", low=2),),
    predictions=(
        Prediction("How many times the writes will three shards take?", "three-shards", "ratio"),
        Prediction(
            "How long will a typical insert (p50) take with three shards?",
            "three-shards",
            "p50_ms",
        ),
    ),
)
