"""A counter that everybody increments: one row, or spread over many."""

from scalelab.model import Claim, Lab, Prediction, Variant

LAB = Lab(
    title="A counter",
    question="How many more increments does a counter take when it is spread over 64 rows?",
    counted="write",
    variants=(
        # The first is the baseline. A workload is a name, or a file in this folder.
        Variant("one-row", "single", "counter.py", options={"rows": 1}),
        Variant("many-rows", "single", "counter.py", options={"rows": 64}),
    ),
    claims=(Claim("many rows take at least 1.5x the increments", "many-rows", "ratio", low=1.5),),
    predictions=(
        Prediction("How many times the increments will many-rows take?", "many-rows", "ratio"),
        Prediction("How long will a slow increment (p99) of one-row take?", "one-row", "p99_ms"),
    ),
)
