"""One PostgreSQL node: what every other topology is compared with."""

from scalelab.model import Node, Params, TopologyKind


def _build(params: Params) -> tuple[Node, ...]:
    return (Node("primary", "postgres", "primary"),)


TOPOLOGY = TopologyKind(summary="one PostgreSQL node", parameters=(), build=_build)
