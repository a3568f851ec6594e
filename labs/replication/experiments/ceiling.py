"""The write ceiling: do replicas help who only writes?"""

from scalelab.model import Claim, Lab, Prediction, Variant

_WRITES = {"reads": "primary", "write_share": 1.0}

LAB = Lab(
    title="The write ceiling",
    question="How many more writes do two replicas give?",
    counted="write",
    duration_s=1.5,
    variants=(
        Variant("single", "single", "point_read_write", options=_WRITES),
        Variant(
            "two-replicas",
            "replication",
            "point_read_write",
            params={"replicas": 2},
            options=_WRITES,
        ),
    ),
    claims=(Claim("two replicas give no more writes", "two-replicas", "ratio", high=1.05),),
    predictions=(
        Prediction("How many times the writes will three servers give?", "two-replicas", "ratio"),
    ),
)
