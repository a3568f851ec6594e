"""Caching: what a cache that is too small keeps, by what it throws out."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, policy: str, megabytes: int = 3) -> Variant:
    params = {"policy": policy, "maxmemory_mb": megabytes}
    return Variant(name, "caching", "product_page", params, {"cache": True})


LAB = Lab(
    title="Caching: too little memory",
    question="A cache has room for some pages. What should it throw out, and what is that worth?",
    counted="read",
    duration_s=1.5,
    variants=(
        _variant("random", "allkeys-random"),
        _variant("lru", "allkeys-lru"),
        _variant("lfu", "allkeys-lfu"),
        _variant("all-fits", "allkeys-lru", 64),
    ),
    claims=(
        Claim("at random, at most 66% of the look-ups hit", "random", "hit_share", high=0.66),
        Claim("LFU keeps at least 67%", "lfu", "hit_share", low=0.67),
        Claim("with room for all, at least 90% hit", "all-fits", "hit_share", low=0.9),
        Claim("room for all gives at least 2x the reads", "all-fits", "ratio", low=2),
    ),
    predictions=(
        Prediction("At random: how many look-ups in a hundred will hit?", "random", "hit_share"),
        Prediction("With LFU: how many look-ups in a hundred will hit?", "lfu", "hit_share"),
        Prediction("How many times the reads will LFU give?", "lfu", "ratio"),
    ),
)
