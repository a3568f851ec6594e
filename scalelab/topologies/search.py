"""PostgreSQL, and Elasticsearch beside it: one node or a cluster of several."""

from scalelab.model import Node, Parameter, Params, TopologyKind
from scalelab.topologies._search_nodes import BUDGET, search_nodes

# What is asked of the database can then be counted there.
_COUNTING = {"shared_preload_libraries": "pg_stat_statements"}


def _build(params: Params) -> tuple[Node, ...]:
    return (
        Node("primary", "postgres", "primary", settings=_COUNTING),
        *search_nodes(int(params["nodes"])),
    )


TOPOLOGY = TopologyKind(
    summary="PostgreSQL and Elasticsearch",
    parameters=(
        Parameter("nodes", int, 1, "nodes of Elasticsearch: three outlive one", low=1, high=5),
    ),
    build=_build,
    budget=BUDGET,
)
