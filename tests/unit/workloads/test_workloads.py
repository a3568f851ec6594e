"""Sessions of the workloads over connections that are lists of what was asked."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from scalelab.errors import RequestFailed, UnknownName, UsageError
from scalelab.measure.checkers.register import Client, Registers
from scalelab.measure.checkers.sessions import SessionHistory
from scalelab.measure.checkers.stale_reads import Staleness
from scalelab.model import Address, Budget, Node, Place, Places
from scalelab.workloads import (
    cached_page,
    customer_orders,
    expiring_price,
    hot_page,
    insert_write,
    point_read_write,
    product_page,
    raced_page,
    register,
)


class Row:
    def __init__(self, *values: bytes) -> None:
        self._values = values

    def get_value(self, row: int, column: int) -> bytes:
        return self._values[column]


class Database:
    def __init__(self, calls: list[tuple[Any, ...]], node: str, at: dict[str, int]) -> None:
        self.calls, self.node, self.at = calls, node, at

    def prepare(self, name: str, sql: str) -> None: ...

    async def execute(self, name: str, *params: Any) -> Row:
        self.calls.append((self.node, name, *params[:1]))
        if name in ("written", "replayed"):
            return Row(b"%d" % self.at[self.node])
        return Row(b"7", b"{}")


class Cache:
    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self.calls = calls
        self.entries: dict[Any, bytes] = {}
        self.ttls: list[int] = []

    async def get(self, key: Any) -> bytes | None:
        self.calls.append(("cache", "get", key))
        return self.entries.get(key)

    async def set(self, key: Any, value: bytes, *, px: int) -> None:
        self.calls.append(("cache", "set", key))
        self.entries[key] = value
        self.ttls.append(px)

    async def delete(self, key: Any) -> None:
        self.calls.append(("cache", "delete", key))
        self.entries.pop(key, None)


class Context:
    def __init__(self, places: Places, keys: int) -> None:
        self.places = places
        self.random = random.Random(1)
        self.history = Staleness([1] * keys, 0)
        self.guarantees = SessionHistory(0)
        self.registers = Client(Registers(), 0)
        self.number, self.sessions = 0, 1
        self.now: Callable[[], float] = lambda: 1.0
        self.next_key: Callable[[], int] = lambda: 3
        self.next_own_key: Callable[[], int] = lambda: 5
        self.counted: Counter[str] = Counter()
        self.at: dict[str, int] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.cache = Cache(self.calls)

    def connect(self, node: str) -> Any:
        service = self.places[node].node.service
        return self.cache if service == "redis" else Database(self.calls, node, self.at)

    def count(self, what: str) -> None:
        self.counted[what] += 1


def places(*nodes: Node) -> Places:
    at = Address("127.0.0.1", 1)
    return {node.name: Place("c", node, at, at, at, "", "", "x", Budget()) for node in nodes}


PRIMARY = Node("primary", "postgres", "primary")
REPLICAS = [Node(f"replica{n}", "postgres", "replica", follows="primary") for n in (1, 2)]
CACHE = Node("cache", "redis", "cache")
SHARDS = [Node(f"shard{n}", "postgres", "shard") for n in (1, 2, 3)]


def finish(coroutine: Coroutine[Any, None, str]) -> str:
    """Run a coroutine that never has to wait."""
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return str(end.value.value)


def test_a_page_without_a_cache_is_one_query() -> None:
    context = Context(places(CACHE, PRIMARY), 10)
    session = product_page.WORKLOAD.session(context, {"write_share": 0})
    assert finish(session.operate()) == "read"
    assert context.calls == [("primary", "page", 3)]
    assert (context.history.judged, context.counted) == (1, {})


def test_a_page_is_cached_after_a_miss_and_then_found() -> None:
    context = Context(places(PRIMARY, CACHE), 10)
    options = {"cache": True, "write_share": 0, "ttl_s": 30}
    session = product_page.WORKLOAD.session(context, options)
    for _ in range(2):
        assert finish(session.operate()) == "read"
    miss = [("cache", "get", 3), ("primary", "page", 3), ("cache", "set", 3)]
    assert context.calls == [*miss, ("cache", "get", 3)]
    assert context.counted == {"miss": 1, "hit": 1}
    assert 30_000 <= context.cache.ttls[0] <= 33_000
    assert context.history.judged == 2


def test_a_price_change_deletes_the_page_after_the_update() -> None:
    context = Context(places(PRIMARY, CACHE), 10)
    session = product_page.WORKLOAD.session(context, {"cache": True, "write_share": 1})
    assert finish(session.operate()) == "write"
    assert context.calls == [("primary", "update", 5), ("cache", "delete", 5)]
    assert context.history.reading(5) == 7


def test_reads_spread_evenly_over_primary_and_replicas_and_writes_do_not() -> None:
    context = Context(places(PRIMARY, *REPLICAS), 10)
    options = {"reads": "spread", "write_share": 0.1}
    session = point_read_write.WORKLOAD.session(context, options)
    kinds = Counter(finish(session.operate()) for _ in range(6000))
    assert kinds["write"] == pytest.approx(600, rel=0.15)
    asked = Counter((node, name) for node, name, *_ in context.calls)
    assert asked["primary", "write"] == kinds["write"]
    for node in ("primary", "replica1", "replica2"):
        assert asked[node, "read"] == pytest.approx(1800, rel=0.1)


@pytest.mark.parametrize(
    ("nodes", "options"),
    [
        ((PRIMARY, *REPLICAS), {"reads": "primary"}),
        ((PRIMARY,), {"reads": "spread"}),
        ((PRIMARY,), {}),
    ],
)
def test_reads_stay_on_the_primary(nodes: tuple[Node, ...], options: dict[str, str]) -> None:
    context = Context(places(*nodes), 10)
    session = point_read_write.WORKLOAD.session(context, {"write_share": 0, **options})
    for _ in range(50):
        finish(session.operate())
    assert {node for node, _, _ in context.calls} == {"primary"}


def test_an_unknown_way_to_read_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nearest"):
        point_read_write.WORKLOAD.session(Context(places(PRIMARY), 10), {"reads": "nearest"})


def test_a_sticky_session_reads_from_one_node_and_sessions_from_all() -> None:
    readers = []
    for number in range(6):
        context = Context(places(PRIMARY, *REPLICAS), 10)
        context.number = number
        options = {"reads": "sticky", "write_share": 0}
        session = point_read_write.WORKLOAD.session(context, options)
        for _ in range(20):
            finish(session.operate())
        (node,) = {node for node, *_ in context.calls}
        readers.append(node)
    assert readers == ["primary", "replica1", "replica2"] * 2


def test_the_least_lagged_replica_is_read_and_asked_for_now_and_then() -> None:
    context = Context(places(PRIMARY, *REPLICAS), 10)
    context.at = {"replica1": 5, "replica2": 9}
    session = point_read_write.WORKLOAD.session(
        context, {"reads": "least-lagged", "write_share": 0}
    )
    for _ in range(20):
        finish(session.operate())
    assert Counter(context.calls)["replica2", "read", 3] == 20
    assert len(context.calls) == 22
    context.at["replica1"], context.now = 10, lambda: 2.0
    finish(session.operate())
    assert context.calls[-1] == ("replica1", "read", 3)


def test_after_its_own_write_a_session_reads_where_it_is_replayed() -> None:
    context = Context(places(PRIMARY, *REPLICAS), 10)
    context.at = {"primary": 8, "replica1": 8, "replica2": 7}
    options = {"reads": "own-writes", "write_share": 0, "own_share": 1}
    session = point_read_write.WORKLOAD.session(context, options)

    def read_from() -> Counter[str]:
        context.calls.clear()
        for _ in range(300):
            finish(session.operate())
        return Counter(node for node, name, *_ in context.calls if name == "read")

    assert set(read_from()) == {"primary", "replica1", "replica2"}  # nothing written yet
    session.write_share = 1
    assert finish(session.operate()) == "write"
    session.write_share = 0
    found = read_from()
    assert found["replica2"] == 0
    assert found["primary"] == pytest.approx(200, rel=0.2)
    # A replica is asked no more once it is known to be far enough.
    assert context.calls.count(("replica1", "replayed")) == 1
    context.at["replica2"] = 8
    assert read_from()["replica2"] == pytest.approx(100, rel=0.3)
    assert {call[2] for call in context.calls if call[1] == "read"} == {5}


def test_an_event_goes_to_the_shard_of_its_device() -> None:
    context = Context(places(*SHARDS), 10)
    context.next_own_key = iter(range(3000)).__next__
    session = insert_write.WORKLOAD.session(context, {})
    for _ in range(3000):
        assert finish(session.operate()) == "write"
    for node, _, device in context.calls:
        assert node == f"shard{insert_write.shard(device, 3) + 1}"
    for count in Counter(node for node, _, _ in context.calls).values():
        assert count == pytest.approx(1000, rel=0.1)


def test_the_shard_of_a_key_never_changes() -> None:
    # Fixed for good: rows already stored would not be found again.
    stored = [2, 2, 1, 1, 1, 1, 1, 0, 2, 0, 0, 0]
    assert [insert_write.shard(key, 3) for key in range(12)] == stored


@pytest.mark.parametrize(
    ("workload", "option"),
    [(cached_page, "strategy"), (hot_page, "protect"), (raced_page, "fill")],
)
def test_an_unknown_way_to_cache_is_a_usage_error(workload: Any, option: str) -> None:
    with pytest.raises(UsageError, match=f"option {option} is 'magic'"):
        workload.WORKLOAD.session(Context(places(PRIMARY, CACHE), 10), {option: "magic"})


@pytest.mark.parametrize("jitter", [-0.1, 0.6])
def test_a_jitter_leaves_at_least_half_of_the_ttl(jitter: float) -> None:
    with pytest.raises(UsageError, match="option jitter is"):
        expiring_price.WORKLOAD.session(Context(places(PRIMARY, CACHE), 10), {"jitter": jitter})


def test_a_register_is_read_where_there_is_a_node() -> None:
    context = Context(places(PRIMARY), 10)
    with pytest.raises(UnknownName, match="no place to read 'nearest'"):
        register.WORKLOAD.session(context, {"reads": "nearest"})
    with pytest.raises(UsageError, match="there is none"):
        register.WORKLOAD.session(context, {"reads": "replica"})


def test_a_reader_that_is_gone_is_avoided_for_a_second() -> None:
    context = Context(places(PRIMARY, *REPLICAS), 10)
    session = customer_orders.WORKLOAD.session(context, {"reads": "spread", "write_share": 0})
    gone = session.readers[1]

    async def refuse(name: str, *params: Any) -> Row:
        context.calls.append(("gone", name, params[0]))
        raise RequestFailed("connection lost", lost=True)

    gone.execute = refuse  # type: ignore[method-assign]

    def failures() -> int:
        context.calls.clear()
        for _ in range(300):
            with contextlib.suppress(RequestFailed):
                finish(session.operate())
        return sum(node == "gone" for node, _, _ in context.calls)

    assert failures() == 1
    assert {node for node, _, _ in context.calls} == {"gone", "primary", "replica2"}
    context.now = lambda: 2.5
    assert failures() == 1


def test_the_only_reader_is_asked_again_also_when_it_was_gone() -> None:
    context = Context(places(PRIMARY), 10)
    session = customer_orders.WORKLOAD.session(context, {"write_share": 0})
    session.avoided = {0: 2.0}
    assert finish(session.operate()) == "read"
    session = customer_orders.WORKLOAD.session(context, {"write_share": 1})
    assert finish(session.operate()) == "write"
    assert context.calls == [("primary", "read", 3), ("primary", "write", 5)]


def test_reads_are_from_the_primary_or_spread() -> None:
    with pytest.raises(UsageError, match="option reads is 'replica'"):
        customer_orders.WORKLOAD.session(Context(places(PRIMARY), 10), {"reads": "replica"})
