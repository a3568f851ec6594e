"""Scaling: a larger machine or more machines, for writes."""

from scalelab.model import Claim, Lab, Prediction, Variant


def _up(name: str, scale: float) -> Variant:
    return Variant(name, "single", "insert_write", scale=scale)


def _out(name: str, shards: int) -> Variant:
    return Variant(name, "sharding", "insert_write", params={"shards": shards})


LAB = Lab(
    title="Scaling writes",
    question="A machine four times as large, or four machines: which takes more writes?",
    counted="write",
    variants=(
        _up("one", 1),
        _up("up-2x", 2),
        _up("up-4x", 4),
        _out("shards-2", 2),
        _out("shards-4", 4),
        Variant("replicas", "replication", "insert_write", params={"replicas": 1}),
    ),
    claims=(
        Claim("a machine of four times the size takes at least 2x the writes", "up-4x", "ratio", 2),
        Claim("two shards take at least 1.5x the writes", "shards-2", "ratio", 1.5),
        Claim("four shards take at least 2x the writes", "shards-4", "ratio", 2),
        Claim("a replica takes no write off the primary", "replicas", "ratio", high=1.2),
    ),
    predictions=(
        Prediction("How many times the writes will four times the machine take?", "up-4x", "ratio"),
        Prediction("How many times the writes will four shards take?", "shards-4", "ratio"),
        Prediction("And a primary with one replica?", "replicas", "ratio"),
    ),
    duration_s=1,
    rounds=8,
)
