"""Replication: what read replicas buy, and what they break."""

from scalelab.model import Claim, Lab, Prediction, Variant

LAB = Lab(
    title="Read replicas",
    question="How many more reads do two replicas give, and how old is what they return?",
    counted="read",
    variants=(
        Variant("single", "single", "point_read_write", options={"reads": "primary"}),
        Variant(
            "two-replicas",
            "replication",
            "point_read_write",
            params={"replicas": 2},
            options={"reads": "spread"},
        ),
    ),
    claims=(
        Claim("two replicas give at least 1.5x the reads", "two-replicas", "ratio", low=1.5),
        Claim("asynchronous replicas serve stale reads", "two-replicas", "stale", low=1),
    ),
    predictions=(
        Prediction("How many times the reads will three servers give?", "two-replicas", "ratio"),
        Prediction(
            "How many reads in a hundred will miss a confirmed write?",
            "two-replicas",
            "stale_share",
        ),
        Prediction("How old will the oldest stale read be?", "two-replicas", "stale_max_age_ms"),
    ),
)
