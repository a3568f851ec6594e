"""What a sweep can vary of variants, and variants at another size."""

import pytest

from scalelab import catalog, sizing
from scalelab.errors import UsageError
from scalelab.model import Node, Parameter, TopologyKind, Variant

SINGLE = Variant("single", "single", "w")
TWO = Variant("two", "replication", "w", params={"replicas": 2, "sync": "on"})
SHARDS = Variant("shards", "sharding", "w")


@pytest.fixture
def pairs(monkeypatch):
    """A topology whose nodes come in pairs, and which has parameters that add none."""
    kind = TopologyKind(
        summary="",
        parameters=(
            Parameter("pairs", int, 1, "", low=1, high=3),
            Parameter("buffers", int, 8, ""),
            Parameter("fixed", int, 1, "", low=1, high=1),
        ),
        build=lambda params: tuple(Node(f"n{i}", "s", "r") for i in range(2 * params["pairs"])),
    )
    found = {name: catalog.topologies[name] for name in catalog.topologies} | {"pairs": kind}
    monkeypatch.setattr(catalog, "topologies", found)
    return Variant("pairs", "pairs", "w")


def test_keys_are_the_numbers_of_the_topologies_and_nodes_where_they_vary():
    assert sizing.keys([SINGLE]) == {}
    counts = {"replicas": True, "apply_delay_ms": False, "delayed": False, "nodes": True}
    assert sizing.keys([SINGLE, TWO]) == counts
    assert sizing.keys([SHARDS]) == {"shards": True, "nodes": True}
    assert sizing.keys([Variant("c", "caching", "w")]) == {"maxmemory_mb": False}


def test_a_parameter_is_set_and_the_rest_stays():
    single, sized = sizing.resize([SINGLE, TWO], "replicas", 4)
    assert single is SINGLE
    assert sized.params == {"replicas": 4, "sync": "on"}
    assert (sizing.count(single), sizing.count(sized)) == (1, 5)
    with pytest.raises(UsageError, match="replicas=9 is out of range"):
        sizing.resize([TWO], "replicas", 9)


def test_nodes_are_what_the_parameters_must_be_for_so_many(pairs):
    found = sizing.resize([SINGLE, TWO, SHARDS, pairs], "nodes", 4)
    assert [sizing.count(variant) for variant in found] == [1, 4, 4, 4]
    assert [sizing.has(variant, "nodes") for variant in found] == [False, True, True, True]
    assert found[1].params["replicas"] == 3
    assert found[3].params == {"pairs": 2}


@pytest.mark.parametrize(("nodes", "says"), [(1, "it can have 2 to 9"), (10, "it can have 2 to 9")])
def test_nodes_that_cannot_be_say_what_can(nodes, says):
    with pytest.raises(UsageError, match=f"two cannot have {nodes} nodes") as caught:
        sizing.resize([SINGLE, TWO], "nodes", nodes)
    assert caught.value.hint == says


def test_nodes_that_come_in_pairs_say_so(pairs):
    with pytest.raises(UsageError, match="cannot have 3 nodes") as caught:
        sizing.resize([pairs], "nodes", 3)
    assert caught.value.hint == "it can have one of 2, 4, 6"


def test_variants_that_become_the_same_are_one():
    three = Variant("three", "replication", "w", params={"replicas": 3, "sync": "on"})
    slow = Variant("slow", "replication", "w", params={"replicas": 3})
    other = Variant("other", "replication", "w", {"sync": "on"}, {"reads": "primary"})
    found = sizing.resize([SINGLE, TWO, three, slow, other], "replicas", 4)
    assert [variant.name for variant in found] == ["single", "two", "slow", "other"]
