"""Sharding: does every shard get its part of the work?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, route: str, keys: str) -> Variant:
    options = {"route": route, "keys": keys}
    return Variant(name, "sharding", "routed_write", params={"shards": 3}, options=options)


LAB = Lab(
    title="Sharding: routing",
    question="How much more than the others does the busiest shard have to do?",
    counted="write",
    variants=(
        _variant("modulo-new", "modulo", "counted"),
        _variant("range-new", "range", "counted"),
        _variant("modulo-popular", "modulo", "popular"),
        _variant("ring-popular", "ring", "popular"),
        _variant("directory-popular", "directory", "popular"),
    ),
    claims=(
        Claim("modulo spreads new customers evenly", "modulo-new", "hottest_share", high=1.05),
        Claim("a range of numbers sends all of them to one", "range-new", "hottest_share", low=2.9),
        Claim("which takes at most 70% of the writes", "range-new", "ratio", high=0.7),
        Claim("few popular ones are a hot shard", "modulo-popular", "hottest_share", low=1.08),
        Claim("also on a ring", "ring-popular", "hottest_share", low=1.05),
        Claim("a directory spreads them", "directory-popular", "hottest_share", high=1.1),
    ),
    predictions=(
        Prediction(
            "How many times the mean does the busiest of three shards get, by ranges?",
            "range-new",
            "hottest_share",
        ),
        Prediction(
            "And by modulo, when few customers buy most?", "modulo-popular", "hottest_share"
        ),
    ),
    duration_s=1,
)
