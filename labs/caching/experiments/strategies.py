"""Caching: five ways to fill a cache and to keep it true."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, strategy: str) -> Variant:
    options = {"strategy": strategy, "write_share": 0.2, "ttl_s": 4}
    return Variant(name, "caching", "cached_page", options=options)


LAB = Lab(
    title="Caching: strategies",
    question="A fifth of the operations are writes. Which strategy gives the most, and is it true?",
    counted="read",
    duration_s=1,
    variants=(
        _variant("cache-aside", "aside"),
        _variant("read-through", "read-through"),
        _variant("write-through", "write-through"),
        _variant("write-behind", "write-behind"),
        _variant("refresh-ahead", "refresh-ahead"),
    ),
    claims=(
        Claim("write-behind gives at least 1.2x the reads", "write-behind", "ratio", low=1.2),
        Claim("write-behind: no stale read", "write-behind", "stale", high=0),
        Claim("write-through: no stale read", "write-through", "stale", high=0),
    ),
    predictions=(
        Prediction("How many times the reads will write-behind give?", "write-behind", "ratio"),
        Prediction("And write-through?", "write-through", "ratio"),
        Prediction(
            "Of a hundred reads with cache-aside, how many are stale?", "cache-aside", "stale_share"
        ),
    ),
)
