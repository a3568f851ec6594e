"""Caching: a cache that is empty, against one that is full."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, *, cold: bool) -> Variant:
    options = {"cold": cold, "write_share": 0, "ttl_s": 3600}
    return Variant(name, "caching", "cached_page", options=options)


LAB = Lab(
    title="Caching: the cold start",
    question="The cache is restarted and empty. What do the database and its readers notice?",
    counted="read",
    duration_s=2,
    variants=(_variant("warm", cold=False), _variant("cold", cold=True)),
    claims=(
        Claim("warm: at most 300 queries a second are left", "warm", "origin_rate", high=300),
        Claim("cold: at least 400", "cold", "origin_rate", low=400),
        Claim("and still at most 90% hit after a second", "cold", "hit_share", high=0.9),
    ),
    predictions=(
        Prediction(
            "From a second after the start on, how many look-ups in a hundred will hit?",
            "cold",
            "hit_share",
        ),
        Prediction("How many times the reads will the cold cache give?", "cold", "ratio"),
    ),
)
