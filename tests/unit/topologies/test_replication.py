"""Which replicas of a topology apply late."""

from __future__ import annotations

import pytest

from scalelab import catalog


@pytest.mark.parametrize(
    ("params", "late"),
    [
        ({}, []),
        ({"apply_delay_ms": 200}, ["replica1", "replica2", "replica3"]),
        ({"apply_delay_ms": 200, "delayed": 1}, ["replica3"]),
        ({"apply_delay_ms": 200, "delayed": 0}, []),
    ],
)
def test_the_last_replicas_are_late(params: dict[str, int], late: list[str]) -> None:
    nodes = catalog.topology("replication", {"replicas": 3, **params}).nodes
    delays = {node.name: node.settings.get("recovery_min_apply_delay") for node in nodes}
    assert [name for name, delay in delays.items() if delay == "200ms"] == late
    assert all(delay in (None, "200ms") for delay in delays.values())
