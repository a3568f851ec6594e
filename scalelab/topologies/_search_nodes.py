"""What topologies with Elasticsearch have in common."""

from scalelab.model import Budget, Node

BUDGET = Budget(1.0, 1024**3)
"""A Java server needs about four times the memory that PostgreSQL does to begin with, and a fifth
of a core would leave it at compiling itself. PostgreSQL gets the same beside it."""


def search_nodes(count: int, **settings: str) -> tuple[Node, ...]:
    """So many nodes of one Elasticsearch cluster: ``search``, or ``search1`` and so on."""
    names = ["search"] if count == 1 else [f"search{number}" for number in range(1, count + 1)]
    return tuple(Node(name, "elasticsearch", "search", settings=settings) for name in names)
