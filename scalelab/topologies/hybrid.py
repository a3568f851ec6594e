"""PostgreSQL as the source of truth, Elasticsearch to search in, and a syncer between them."""

from scalelab.model import Node, Parameter, Params, TopologyKind
from scalelab.topologies._search_nodes import BUDGET, search_nodes

# The log must say what changed in rows. What a slot keeps of it for a syncer that never comes back
# must not fill a laptop's disk: beyond that the slot is lost, and both sides are compared anew.
_SOURCE = {"wal_level": "logical", "max_slot_wal_keep_size": "256MB"}
# A job that asks by timestamp runs from time to time; the others are told of changes at once.
_PAUSES_S = {"batch": "0.5", "outbox": "0.01", "cdc": "0.01"}


def _build(params: Params) -> tuple[Node, ...]:
    sync = str(params["sync"])
    nodes = (Node("primary", "postgres", "primary", settings=_SOURCE), *search_nodes(1))
    if sync == "dual":
        return nodes
    settings = {"strategy": sync, "pause_s": _PAUSES_S[sync]}
    needs = tuple(node.name for node in nodes)
    return (*nodes, Node("syncer", "syncer", "syncer", settings=settings, needs=needs))


TOPOLOGY = TopologyKind(
    summary="PostgreSQL, Elasticsearch beside it, and what keeps the two alike",
    parameters=(
        Parameter(
            "sync",
            str,
            "outbox",
            "how changes reach Elasticsearch: from the application (dual), or by a syncer that"
            " reads timestamps (batch), an outbox, or the log (cdc)",
            choices=("dual", "batch", "outbox", "cdc"),
        ),
    ),
    build=_build,
    budget=BUDGET,
)
