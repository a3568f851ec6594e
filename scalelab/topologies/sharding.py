"""Independent PostgreSQL nodes; the application decides which one a key lives on."""

from scalelab.model import Node, Parameter, Params, TopologyKind

# A transaction over two shards is prepared on both first (off in PostgreSQL unless asked for).
_SETTINGS = {"max_prepared_transactions": "100"}


def _build(params: Params) -> tuple[Node, ...]:
    numbers = range(1, int(params["shards"]) + 1)
    shards = (Node(f"shard{number}", "postgres", "shard", settings=_SETTINGS) for number in numbers)
    router = (Node("router", "postgres", "router"),) if params["router"] == "fdw" else ()
    return (*shards, *router)


TOPOLOGY = TopologyKind(
    summary="independent PostgreSQL nodes, keys spread over them",
    parameters=(
        Parameter("shards", int, 3, "independent nodes", low=2, high=16),
        Parameter(
            "router",
            str,
            "none",
            "a node more, to reach the shards through by postgres_fdw",
            choices=("none", "fdw"),
        ),
    ),
    build=_build,
)
