"""Caching: the cache is killed, and what the database and its readers then suffer."""

from scalelab.model import Claim, Lab, Prediction, Variant

_KILL = ("kill cache @500ms for 1s",)

LAB = Lab(
    title="Caching: the cache is gone",
    question="The cache is killed for a second and comes back empty. What do readers notice?",
    counted="read",
    duration_s=2.5,
    variants=(
        Variant("unharmed", "caching", "product_page", options={"cache": True}),
        Variant("no-fallback", "caching", "product_page", options={"cache": True}, faults=_KILL),
        Variant(
            "fallback",
            "caching",
            "product_page",
            options={"cache": True, "fallback": True},
            faults=_KILL,
        ),
    ),
    claims=(
        Claim("without a way round it, reads fail", "no-fallback", "error_share", low=0.0001),
        Claim("with one, no read fails", "fallback", "error_share", high=0),
        Claim("but the database cannot replace the cache", "fallback", "ratio", high=0.8),
    ),
    predictions=(
        Prediction("Which share of the reads is left with a way round?", "fallback", "ratio"),
        Prediction("With it, how long will a slow read (p99) take?", "fallback", "p99_ms"),
    ),
)
