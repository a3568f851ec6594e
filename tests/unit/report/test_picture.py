"""Topologies drawn: every node, who follows whom, whatever the width and the encoding."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from scalelab import catalog
from scalelab.model import Node, Topology
from scalelab.report.picture import Picture, Scene

CHAIN = Topology(
    "chain",
    {},
    (
        Node("a", "postgres", "primary"),
        Node("b", "postgres", "replica", "a"),
        Node("c", "postgres", "replica", "b"),
    ),
)


def draw(*topologies, width=80, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    scenes = [Scene(f"variant {n}", each, "a caption") for n, each in enumerate(topologies)]
    Console(file=file, width=width).print(Picture(scenes))
    file.flush()
    file.seek(0)
    return [line.rstrip() for line in file.read().splitlines()]


def test_one_node():
    assert draw(catalog.topology("single")) == [
        "variant 0",
        "a caption",
        "   clients",
        "      │",
        "      │",
        "┌─────┴────┐",
        "│ primary  │",
        "│ postgres │",
        "│ primary  │",
        "└──────────┘",
    ]


def test_followers_are_pointed_at():
    assert draw(catalog.topology("replication"))[2:] == [
        "                clients",
        "                   │",
        "      ┌────────────┼────────────┐",
        "┌─────┴────┐ ┌─────┴────┐ ┌─────┴────┐",
        "│ primary  │ │ replica1 │ │ replica2 │",
        "│ postgres │ │ postgres │ │ postgres │",
        "│ primary  │ │ replica  │ │ replica  │",
        "└─────┬────┘ └─────▲────┘ └─────▲────┘",
        "      └────────────┴────────────┘",
    ]


def test_only_ascii_where_the_terminal_knows_no_more():
    for encoding in ("ascii", "latin-1"):
        lines = draw(catalog.topology("replication"), encoding=encoding)[2:]
        assert "\n".join(lines).isascii()
        assert lines[-2:] == [
            "+-----+----+ +-----^----+ +-----^----+",
            "      +------------+------------+",
        ]


def test_who_follows_and_is_followed_has_two_lines():
    assert draw(CHAIN)[-3:] == [
        "└─────┬────┘ └───▲─┬────┘ └─────▲────┘",
        "      └──────────┘ │            │",
        "                   └────────────┘",
    ]


def test_side_by_side_where_there_is_room():
    pair = (catalog.topology("single"), catalog.topology("caching"))
    wide, narrow = draw(*pair, width=80), draw(*pair, width=30)
    assert "variant 0" in wide[0]
    assert "variant 1" in wide[0]
    assert "variant 1" not in narrow[0]
    assert len(narrow) > len(wide)


@pytest.mark.parametrize("width", [20, 30, 60, 80, 100, 200])
@pytest.mark.parametrize(
    "topology",
    [
        *(catalog.topology(name) for name in catalog.topologies),
        catalog.topology("sharding", {"shards": 16}),
        catalog.topology("replication", {"replicas": 8}),
        CHAIN,
    ],
    ids=lambda topology: f"{topology.name}-{len(topology.nodes)}",
)
def test_every_topology_fits_and_shows_every_node(topology, width):
    lines = draw(topology, topology, width=width)
    assert max(map(cell_len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert text.count("clients") == 2
    shown = [node for node in topology.nodes if node.name in text]
    for node in topology.nodes:
        assert node.role in text
        assert node.service in text
    # Nodes alike may share a box, which names the first and the last and says how many.
    assert len(shown) == len(topology.nodes) or any(
        f"{count} x " in text for count in range(2, len(topology.nodes) + 1)
    )
