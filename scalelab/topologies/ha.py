"""PostgreSQL nodes under Patroni, which decide by themselves who leads, and the store they ask.

No node ``follows`` another here: who leads is nobody's but their own decision, at any time.
"""

from scalelab.model import Node, Parameter, Params, TopologyKind


def _build(params: Params) -> tuple[Node, ...]:
    stores = tuple(f"etcd{number}" for number in range(1, int(params["stores"]) + 1))
    members = range(1, int(params["replicas"]) + 2)
    settings = {"synchronous_mode": str(params["sync"])}
    return (
        *(Node(name, "etcd", "store") for name in stores),
        *(Node(f"pg{n}", "patroni", "member", settings=settings, needs=stores) for n in members),
    )


TOPOLOGY = TopologyKind(
    summary="PostgreSQL under Patroni, which fails over by itself, and etcd",
    parameters=(
        Parameter("replicas", int, 2, "members beside the one that leads", low=1, high=7),
        Parameter(
            "sync",
            str,
            "off",
            "a commit waits for no replica (off), one on disk, which alone may lead next (on)",
            choices=("off", "on"),
        ),
        Parameter("stores", int, 1, "etcd nodes: three outlive the loss of one", low=1, high=5),
    ),
    build=_build,
)
