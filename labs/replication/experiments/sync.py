"""Synchronous replication: what does a write cost that waits, and what does it buy?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _waiting(name: str, sync: str) -> Variant:
    return Variant(
        name,
        "replication",
        "point_read_write",
        params={"replicas": 2, "sync": sync},
        options={"reads": "spread", "write_share": 0.5},
    )


LAB = Lab(
    title="Synchronous replication",
    question="What does a write cost that waits for replicas, and who then sees it?",
    counted="write",
    duration_s=1,
    variants=(
        _waiting("async", "off"),
        _waiting("on-disk", "on"),
        _waiting("applied", "remote_apply"),
    ),
    claims=(
        Claim("without waiting, reads are stale", "async", "stale", low=1),
        Claim("safe on a replica's disk is not yet to be seen there", "on-disk", "stale", low=1),
        Claim("applied everywhere, no read is stale", "applied", "stale", high=0),
        Claim("waiting until it is applied costs writes", "applied", "ratio", high=0.95),
    ),
    predictions=(
        Prediction("How many times the writes if they wait for a disk?", "on-disk", "ratio"),
        Prediction("How many times the writes if they wait for all?", "applied", "ratio"),
    ),
)
