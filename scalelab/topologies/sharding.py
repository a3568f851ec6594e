"""Independent PostgreSQL nodes; the application decides which one a key lives on."""

from scalelab.model import Node, Parameter, Params, TopologyKind


def _build(params: Params) -> tuple[Node, ...]:
    count = int(params["shards"])
    return tuple(Node(f"shard{number}", "postgres", "shard") for number in range(1, count + 1))


TOPOLOGY = TopologyKind(
    summary="independent PostgreSQL nodes, keys spread over them",
    parameters=(Parameter("shards", int, 3, "independent nodes", low=2, high=16),),
    build=_build,
)
