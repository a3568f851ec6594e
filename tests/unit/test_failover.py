"""What a topology becomes when another node leads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scalelab import catalog, failover


def by_name(topology):
    return {node.name: node for node in topology.nodes}


def test_leader_and_heir_change_parts_and_the_others_follow():
    before = catalog.topology("replication", {"replicas": 3, "apply_delay_ms": 5})
    after = failover.promoted(before, "replica2")
    nodes = by_name(after)
    assert after.nodes[0].name == "replica2"
    assert nodes["replica2"].follows is None
    assert nodes["replica2"].role == "primary"
    assert {nodes[name].follows for name in ("primary", "replica1", "replica3")} == {"replica2"}
    assert nodes["primary"].role == "replica"
    # A delayed replica that leads is not delayed, and who follows it now is.
    assert nodes["replica2"].settings == {}
    assert nodes["primary"].settings == {"recovery_min_apply_delay": "5ms"}
    assert after.params == before.params


def test_synchronous_standbys_are_the_other_nodes():
    before = catalog.topology("replication", {"replicas": 12 - 4, "sync": "on"})
    nodes = by_name(failover.promoted(before, "replica1"))
    listed = nodes["replica1"].settings["synchronous_standby_names"]
    names = listed.removeprefix("ANY 1 (").removesuffix(")").split(", ")
    assert sorted(names) == sorted(name for name in nodes if name != "replica1")


def test_a_leader_changes_nothing():
    before = catalog.topology("replication")
    assert failover.promoted(before, "primary") is before


@given(st.lists(st.integers(1, 4), max_size=6))
def test_there_is_always_one_leader_whom_all_follow(heirs):
    topology = catalog.topology("replication", {"replicas": 4, "sync": "remote_apply"})
    names = sorted(by_name(topology))
    for number in heirs:
        topology = failover.promoted(topology, f"replica{number}")
        leader, *others = topology.nodes
        assert sorted(by_name(topology)) == names
        assert leader.follows is None
        assert {node.follows for node in others} == {leader.name}
        waited = leader.settings["synchronous_standby_names"]
        assert all(node.name in waited for node in others)
        assert leader.name not in waited.removeprefix("FIRST 4 (").removesuffix(")").split(", ")
        assert "synchronous_standby_names" not in {k for n in others for k in n.settings}
