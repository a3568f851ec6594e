"""Sharding: is money kept when it moves across shards, and what does that cost?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, **options: str | float | bool) -> Variant:
    return Variant(
        name, "sharding", "transfer", params={"shards": 3}, options={"dies": 0.003, **options}
    )


LAB = Lab(
    title="Sharding: transfers",
    question="Is the sum of all balances kept when coordinators die between two shards?",
    counted="transfer",
    duration_s=1.5,
    variants=(
        _variant("two-commits", commit="apart"),
        _variant("two-phase", commit="two-phase"),
        _variant("abandoned", commit="two-phase", recovers=False),
    ),
    claims=(
        Claim("two commits lose money", "two-commits", "sum_error", low=1),
        Claim("two-phase commit loses none", "two-phase", "sum_error", high=0),
        Claim("two-phase commit costs at least 10%", "two-phase", "ratio", high=0.9),
        Claim("nobody settles for the dead", "abandoned", "in_doubt", low=1),
        Claim("what is settled late is kept, too", "abandoned", "sum_error", high=0),
    ),
    predictions=(
        Prediction("How much money will two commits lose in all?", "two-commits", "sum_error"),
        Prediction("How many times the transfers will two-phase commit do?", "two-phase", "ratio"),
    ),
)
