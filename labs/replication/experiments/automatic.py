"""Automatic failover: who notices that the primary is gone, and how long does that take?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _crashing(name: str, sync: str) -> Variant:
    return Variant(
        name,
        "ha",
        "append_write",
        params={"replicas": 1, "sync": sync},
        faults=("crash leader @300ms",),
    )


LAB = Lab(
    title="Automatic failover",
    question="For how long does nobody take writes when the primary crashes and nobody looks?",
    counted="write",
    duration_s=5,
    rounds=2,
    variants=(_crashing("async", "off"), _crashing("sync", "on")),
    claims=(
        Claim("another takes writes within 5 s, by itself", "async", "unavailable_s", high=5),
        Claim("so it does where commits wait for a replica", "sync", "unavailable_s", high=5),
        Claim("with commits that wait, none is lost", "sync", "lost", high=0),
    ),
    predictions=(
        Prediction("For how many seconds will no write succeed?", "async", "unavailable_s"),
        Prediction("How many acknowledged writes will be lost?", "async", "lost"),
    ),
)
