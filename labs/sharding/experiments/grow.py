"""Sharding: what does it take to add a shard while sales go on?"""

from scalelab.model import Claim, Lab, Prediction, Variant


def _growing(name: str, route: str, *, fenced: bool = True) -> Variant:
    """Three shards that become four."""
    options = {"route": route, "fenced": fenced}
    return Variant(name, "sharding", "growing_write", params={"shards": 4}, options=options)


LAB = Lab(
    title="Sharding: one more shard",
    question="How many customers must move to a fourth shard, and do their sales survive it?",
    counted="write",
    variants=(
        _growing("modulo", "modulo"),
        _growing("ring", "ring"),
        _growing("ring-unfenced", "ring", fenced=False),
    ),
    claims=(
        Claim("by modulo at least 70% of the customers move", "modulo", "moved_share", low=0.7),
        Claim("on a ring at most 35%", "ring", "moved_share", high=0.35),
        Claim("nothing acknowledged is lost, by modulo", "modulo", "lost", high=0),
        Claim("nor on the ring", "ring", "lost", high=0),
        Claim("unless they are copied without a lock", "ring-unfenced", "lost", low=1),
    ),
    predictions=(
        Prediction("How many customers in a hundred move, by modulo?", "modulo", "moved_share"),
        Prediction("For how many ms at most can a customer not buy?", "ring", "pause_ms"),
    ),
    duration_s=3,
)
