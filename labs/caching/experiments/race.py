"""Caching: a slow reader puts an old page into the cache after the delete, and how not to."""

from scalelab.model import Claim, Lab, Prediction, Variant

_SLOW = {"write_share": 0.2, "slow_share": 0.2, "delay_ms": 20}

LAB = Lab(
    title="Caching: the stale set",
    question="A reader is slow to fill the cache. Does a changed page stay old, and what cures it?",
    counted="read",
    duration_s=2,
    variants=(
        Variant("race", "caching", "raced_page", options=_SLOW),
        Variant("cure", "caching", "raced_page", options={**_SLOW, "fill": "newer"}),
    ),
    claims=(
        Claim("a slow reader makes reads stale", "race", "stale", low=1),
        Claim("no stale read when only newer pages are set", "cure", "stale", high=0),
    ),
    predictions=(
        Prediction("How many reads in a hundred will be stale?", "race", "stale_share"),
        Prediction("How many times the reads will the cure give?", "cure", "ratio"),
    ),
)
