"""Linearizability: do several servers behave as one?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _variant(name: str, sync: str, reads: str) -> Variant:
    params = {"replicas": 1, "sync": sync}
    return Variant(name, "replication", "register", params=params, options={"reads": reads})


LAB = Lab(
    title="Linearizability",
    question="From where must one read so that several servers behave as one?",
    counted="read",
    clients=8,
    duration_s=1,
    variants=(
        _variant("primary", "off", "primary"),
        _variant("replica", "off", "replica"),
        _variant("applied", "remote_apply", "replica"),
        _variant("applied-any", "remote_apply", "any"),
    ),
    claims=(
        Claim("reads of the primary are linearizable", "primary", "not_linearizable", high=0),
        Claim("those of a replica are not", "replica", "not_linearizable", low=1),
        Claim("unless writes wait for it", "applied", "not_linearizable", high=0),
        Claim("and all read there", "applied-any", "not_linearizable", low=1),
    ),
    predictions=(
        Prediction("How many times the reads, replica to primary?", "replica", "ratio"),
        Prediction("How many times the reads, applied to primary?", "applied", "ratio"),
    ),
)
