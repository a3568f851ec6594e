"""Scaling: a machine dies, of one large or of four small ones."""

from scalelab.model import Claim, Lab, Prediction, Variant

_READS = {"write_share": 0}

LAB = Lab(
    title="A machine dies",
    question="One of four machines dies in the middle, or the one large machine: who still reads?",
    counted="read",
    duration_s=2,
    variants=(
        Variant(
            "one-large",
            "single",
            "customer_orders",
            options=_READS,
            scale=4,
            faults=("kill primary @0.5s",),
        ),
        Variant(
            "four-small",
            "replication",
            "customer_orders",
            params={"replicas": 3},
            options={**_READS, "reads": "spread"},
            faults=("kill replica2 @0.5s",),
        ),
    ),
    claims=(
        Claim("one machine is a single point of failure", "one-large", "unavailable_s", low=1),
        Claim("of four machines one may die", "four-small", "unavailable_s", high=0.5),
    ),
    predictions=(
        Prediction(
            "Of 2 s, for how long will the large machine not read?",
            "one-large",
            "unavailable_s",
            "s",
        ),
        Prediction("And the four small ones?", "four-small", "unavailable_s", "s"),
    ),
)
