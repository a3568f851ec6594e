"""Caching: what does it cost to be asked for what does not exist?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, *, remember: bool) -> Variant:
    return Variant(name, "caching", "missing_page", options={"remember": remember})


LAB = Lab(
    title="Caching: what does not exist",
    question="Half of the reads ask for pages that do not exist. Who has to say so each time?",
    counted="read",
    duration_s=2,
    variants=(
        _variant("found-only", remember=False),
        _variant("negative", remember=True),
    ),
    claims=(
        Claim("each of them is a query of its own", "found-only", "origin_rate", low=500),
        Claim("remembered, a page is asked for once in 2 s", "negative", "origin_rate", high=250),
    ),
    predictions=(
        Prediction(
            "How many queries a second, when only pages are cached?", "found-only", "origin_rate"
        ),
        Prediction("And when their absence is cached, too?", "negative", "origin_rate"),
        Prediction("How many times the reads will that give?", "negative", "ratio"),
    ),
)
