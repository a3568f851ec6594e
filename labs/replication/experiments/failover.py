"""Failover: what is lost when the primary dies and a replica takes its place?"""

from scalelab.model import Claim, Lab, Prediction, Variant

# The link is cut first: whoever does not wait for the replica then acknowledges writes that are
# nowhere else. A primary that is just killed has mostly sent what it wrote a moment ago.
_ACCIDENT = (
    "partition replica1--primary @200ms",
    "kill primary @600ms",
    "promote replica1 @900ms",
)


def _failing(name: str, sync: str) -> Variant:
    return Variant(
        name,
        "replication",
        "append_write",
        params={"replicas": 1, "sync": sync},
        faults=_ACCIDENT,
    )


LAB = Lab(
    title="Failover",
    question="What is lost when the primary dies and a replica takes its place?",
    counted="write",
    duration_s=4,
    variants=(_failing("async", "off"), _failing("sync", "on")),
    claims=(
        Claim("asynchronous failover loses acknowledged writes", "async", "lost", low=1),
        Claim("synchronous failover loses none", "sync", "lost", high=0),
    ),
    predictions=(
        Prediction("How many acknowledged writes will be lost?", "async", "lost"),
        Prediction("For how many seconds will no write succeed?", "sync", "unavailable_s"),
    ),
)
