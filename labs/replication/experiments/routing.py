"""Routing: from which server may a session read, when one replica lags?"""

from scalelab.model import Claim, Lab, Prediction, Variant

_SERVERS = {"replicas": 2, "apply_delay_ms": 200, "delayed": 1}
_ASKED = {"write_share": 0.05, "own_share": 0.3}


def _reading(name: str, reads: str) -> Variant:
    options = {"reads": reads, **_ASKED}
    return Variant(name, "replication", "point_read_write", params=_SERVERS, options=options)


LAB = Lab(
    title="Routing reads",
    question="Which way to choose a server for a read keeps what a user was promised?",
    counted="read",
    duration_s=1,
    variants=(
        _reading("spread", "spread"),
        _reading("least-lagged", "least-lagged"),
        _reading("sticky", "sticky"),
        _reading("own-writes", "own-writes"),
    ),
    claims=(
        Claim("reads at random miss own writes", "spread", "own_writes_missed", low=1),
        Claim("reads at random go back in time", "spread", "went_back", low=1),
        Claim("sticky sessions never go back", "sticky", "went_back", high=0),
        Claim("sticky sessions miss own writes", "sticky", "own_writes_missed", low=1),
        Claim("who waits for its position misses none", "own-writes", "own_writes_missed", high=0),
        Claim("the least lagged still lags", "least-lagged", "own_writes_missed", low=1),
    ),
    predictions=(
        Prediction("How many times the reads, least-lagged to spread?", "least-lagged", "ratio"),
        Prediction("How many times the reads, own-writes to spread?", "own-writes", "ratio"),
    ),
)
