"""Caching: what was cached at one moment expires at one moment, unless chance spreads it."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, jitter: float) -> Variant:
    return Variant(name, "caching", "expiring_price", options={"jitter": jitter})


LAB = Lab(
    title="Caching: TTL with jitter",
    question="All prices were cached at one moment, for a second. When is the database asked anew?",
    counted="read",
    duration_s=2,
    variants=(_variant("same-ttl", 0), _variant("jitter", 0.5)),
    claims=(
        Claim("with one TTL, peaks of at least 3x the mean", "same-ttl", "origin_peak", low=3),
        Claim("with jitter, of at most 2.5x", "jitter", "origin_peak", high=2.5),
    ),
    predictions=(
        Prediction(
            "With one TTL, how many times its mean does the database do at its peak?",
            "same-ttl",
            "origin_peak",
        ),
        Prediction("And with jitter?", "jitter", "origin_peak"),
    ),
)
