"""Caching: what a cache beside the database buys, and what it breaks."""

from scalelab.model import Claim, Lab, Prediction, Variant

LAB = Lab(
    title="Caching",
    question="How many more reads does a cache beside the database give, and are they still true?",
    counted="read",
    variants=(
        Variant("database", "single", "product_page", options={"cache": False}),
        Variant("cache-aside", "caching", "product_page", options={"cache": True}),
    ),
    claims=(Claim("a cache gives at least 2x the reads", "cache-aside", "ratio", low=2),),
    predictions=(
        Prediction("How many times the reads will cache-aside give?", "cache-aside", "ratio"),
        Prediction(
            "With the cache, how long will a slow read (p99) take?", "cache-aside", "p99_ms"
        ),
        Prediction(
            "How many reads in a hundred will miss a confirmed change?",
            "cache-aside",
            "stale_share",
        ),
    ),
)
