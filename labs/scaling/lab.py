"""Scaling: a larger machine or more machines, for reads."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _up(name: str, scale: float) -> Variant:
    return Variant(name, "single", "customer_orders", scale=scale)


def _out(name: str, nodes: int) -> Variant:
    return Variant(
        name,
        "replication",
        "customer_orders",
        params={"replicas": nodes - 1},
        options={"reads": "spread"},
    )


LAB = Lab(
    title="Scaling up and scaling out",
    question="A machine four times as large, or four machines: which gives more reads?",
    counted="read",
    variants=(_up("one", 1), _up("up-2x", 2), _up("up-4x", 4), _out("out-2", 2), _out("out-4", 4)),
    claims=(
        Claim("a machine of twice the size gives at least 1.5x the reads", "up-2x", "ratio", 1.5),
        Claim("a machine of four times the size gives at least 2x", "up-4x", "ratio", 2),
        Claim("two nodes give at least 1.5x", "out-2", "ratio", 1.5),
        Claim("four nodes give at least 2x", "out-4", "ratio", 2),
        Claim("one machine never serves a stale read, however large", "up-4x", "stale", high=0),
        Claim("four nodes do serve stale reads", "out-4", "stale", low=1),
    ),
    predictions=(
        Prediction("How many times the reads will four times the machine give?", "up-4x", "ratio"),
        Prediction("How many times the reads will four machines give?", "out-4", "ratio"),
        Prediction(
            "How many reads in a hundred will four machines answer with an old value?",
            "out-4",
            "stale_share",
        ),
    ),
    duration_s=1.5,
    rounds=8,
    prices="prices.toml",
)
