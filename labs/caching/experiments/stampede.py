"""Caching: everybody misses at once when a hot page expires, and who asks the database then."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str) -> Variant:
    return Variant(name, "caching", "hot_page", options={"protect": name})


LAB = Lab(
    title="Caching: the stampede",
    question="A costly page expires every second. How often is the database asked for it?",
    counted="read",
    variants=tuple(map(_variant, ("nothing", "single-flight", "lock", "early"))),
    clients=32,
    duration_s=2,
    claims=(
        Claim("unprotected, an expiry costs at least 8 queries", "nothing", "origin_rate", low=8),
        Claim(
            "single flight: at most one query for each process",
            "single-flight",
            "origin_rate",
            high=2.2,
        ),
        Claim("a lock: one query, whoever asks", "lock", "origin_rate", high=1.5),
    ),
    predictions=(
        Prediction("Unprotected, how many queries a second?", "nothing", "origin_rate"),
        Prediction("With the lock, how many queries a second?", "lock", "origin_rate"),
        Prediction("How many times the reads will the lock give?", "lock", "ratio"),
    ),
)
