"""Sessions of the sharding workloads over connections that note what was asked."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from scalelab.errors import RequestFailed, UnknownName
from scalelab.model import Address, Budget, Node, Place
from scalelab.workloads import growing_write, routed_write, shard_reads, transfer

_AT = Address("127.0.0.1", 1)
_PLACES = {
    node.name: Place("c", node, _AT, _AT, _AT, "", "", "x", Budget())
    for node in [Node(f"shard{n}", "postgres", "shard") for n in (1, 2, 3)]
}


class Shard:
    def __init__(self, node: str, calls: list[tuple[Any, ...]]) -> None:
        self.node, self.calls = node, calls

    def prepare(self, name: str, sql: str) -> None: ...

    async def execute(self, name: str, *params: Any) -> None:
        self.calls.append((self.node, name, *params))

    async def run(self, sql: str) -> None:
        self.calls.append((self.node, " ".join(sql.split()[:2])))

    def close(self) -> None:
        self.calls.append((self.node, "closed"))


def context(calls: list[tuple[Any, ...]]) -> Any:
    return SimpleNamespace(
        places=_PLACES,
        random=random.Random(1),
        connect=lambda node: Shard(node, calls),
        next_key=iter(range(600)).__next__,
        number=2,
    )


def finish(coroutine: Coroutine[Any, None, str]) -> str:
    """Run a coroutine that never has to wait."""
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return str(end.value.value)


@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        (routed_write, {"route": "modul"}, "way to route"),
        (growing_write, {"route": "range"}, "way to route"),
        (routed_write, {"keys": "new"}, "kind of keys"),
        (transfer, {"commit": "once"}, "way to commit"),
        (shard_reads, {"query": "pont"}, "query"),
        (shard_reads, {"via": "proxy"}, "way to the shards"),
    ],
)
def test_an_unknown_option_is_named(module: Any, options: dict[str, str], says: str) -> None:
    with pytest.raises(UnknownName, match=f"no {says} '{next(iter(options.values()))}'"):
        module.WORKLOAD.session(context([]), options)


def test_a_transfer_locks_in_the_order_of_the_shards_and_commits_where_it_takes_first() -> None:
    calls: list[tuple[Any, ...]] = []
    session = transfer.WORKLOAD.session(context(calls), {})
    for source in range(300):
        calls.clear()
        assert finish(session.operate()) == "transfer"
        changes = [(call[0], *call[3:]) for call in calls if call[1] == "change"]
        assert [node for node, *_ in changes] == sorted({node for node, *_ in changes})
        assert all(node == f"shard{account % 3 + 1}" for node, account, _ in changes)
        assert sum(amount for *_, amount in changes) == 0
        (taken,) = [node for node, account, amount in changes if amount < 0 and account == source]
        assert next(node for node, name, *_ in calls if name == "commit") == taken


def test_both_shards_prepare_before_one_commits() -> None:
    calls: list[tuple[Any, ...]] = []
    session = transfer.WORKLOAD.session(context(calls), {"commit": "two-phase"})
    assert finish(session.operate()) == "transfer"
    ends = [call[1] for call in calls[4:]]
    assert ends == ["PREPARE TRANSACTION"] * 2 + ["COMMIT PREPARED"] * 2


def test_a_coordinator_that_dies_closes_both_connections_between_the_commits() -> None:
    calls: list[tuple[Any, ...]] = []
    session = transfer.WORKLOAD.session(context(calls), {"dies": 1})
    with pytest.raises(RequestFailed, match="coordinator died"):
        session.operate().send(None)
    assert [call[1] for call in calls[4:]] == ["commit", "closed", "closed"]


def test_new_customers_of_one_session_go_round_the_shards() -> None:
    calls: list[tuple[Any, ...]] = []
    session = routed_write.WORKLOAD.session(context(calls), {"keys": "counted"})
    for _ in range(3):
        assert finish(session.operate()) == "write"
    first = calls[0][2]
    assert first >= routed_write.WORKLOAD.keys
    assert [call[2] for call in calls] == [first, first + 1, first + 2]
    assert [call[0] for call in calls] == [f"shard{call[2] % 3 + 1}" for call in calls]
