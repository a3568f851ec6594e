"""The hot loop's connections against real servers."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest

from scalelab.clients import postgres, redis
from scalelab.errors import RequestFailed
from scalelab.load.loop import Loop, now, sleep_until
from tests.real import wheels

_BIG = 20_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wheels.Server]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wheels.Server]:
    with wheels.valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def db(server: wheels.Server) -> Iterator[postgres.Connection]:
    connection = postgres.Connection(server.place)
    yield connection
    connection.close()


@pytest.fixture
def cache(store: wheels.Server) -> Iterator[redis.Connection]:
    connection = redis.Connection(store.place)
    yield connection
    connection.close()


def run(coroutine: Coroutine[Any, None, None], timeout_s: float = 120) -> None:
    """Drive a coroutine to its end."""
    loop = Loop()
    try:
        loop.spawn(coroutine)
        loop.run(now() + timeout_s)
        assert not loop.tasks, "it hangs"
    finally:
        loop.close()


async def failure(operation: Any) -> RequestFailed:
    try:
        await operation
    except RequestFailed as failed:
        return failed
    raise AssertionError("it did not fail")


def test_parameters_and_results_keep_their_values(db: postgres.Connection) -> None:
    db.prepare("echo", "SELECT $1::int + 1, $2::text, $3::text, $4::float8, $5::text")

    async def use() -> None:
        for _ in range(3):
            row = await db.execute("echo", 41, "grün", None, 0.25, b"raw")
            values = [row.get_value(0, column) for column in range(5)]
            assert values == [b"42", "grün".encode(), None, b"0.25", b"raw"]

    run(use())


def test_rows_come_in_order_and_an_empty_result_has_none(db: postgres.Connection) -> None:
    db.prepare("rows", "SELECT n FROM generate_series(1, $1::int) n")

    async def use() -> None:
        rows = await db.execute("rows", 1000)
        assert [int(rows.get_value(n, 0)) for n in range(rows.ntuples)] == list(range(1, 1001))
        assert (await db.execute("rows", 0)).ntuples == 0

    run(use())


def test_a_statement_that_cannot_be_prepared(db: postgres.Connection) -> None:
    db.prepare("one", "SELECT 1")

    async def use() -> None:
        rows = await db.run("SELECT 7; SELECT n FROM generate_series(1, 3) n")
        assert [rows.get_value(n, 0) for n in range(rows.ntuples)] == [b"1", b"2", b"3"]
        failed = await failure(db.run("COMMIT PREPARED 'none'"))
        assert (failed.kind, failed.lost) == ("undefined object", False)
        assert (await db.execute("one")).get_value(0, 0) == b"1"

    run(use())


def test_what_no_socket_buffer_holds_is_sent_and_received_whole(db: postgres.Connection) -> None:
    db.prepare("big", "SELECT $1::text || $1::text")

    async def use() -> None:
        row = await db.execute("big", "x" * _BIG)
        assert len(row.get_value(0, 0)) == 2 * _BIG

    run(use())


def test_a_server_error_names_its_condition_and_the_connection_goes_on(
    server: wheels.Server, db: postgres.Connection
) -> None:
    wheels.sql(server.place, "CREATE TABLE thing (id int PRIMARY KEY)")
    db.prepare("insert", "INSERT INTO thing VALUES ($1)")
    db.prepare("wrong", "SELECT nothing FROM nowhere")

    async def use() -> None:
        await db.execute("insert", 1)
        failed = await failure(db.execute("insert", 1))
        assert (failed.kind, failed.lost) == ("unique violation", False)
        assert (await failure(db.execute("wrong"))).kind == "undefined table"
        await db.execute("insert", 2)

    run(use())


def test_after_a_killed_backend_the_next_operation_connects_anew(
    server: wheels.Server, db: postgres.Connection
) -> None:
    db.prepare("pid", "SELECT pg_backend_pid()")

    async def use() -> None:
        pid = (await db.execute("pid")).get_value(0, 0)
        wheels.sql(server.place, f"SELECT pg_terminate_backend({int(pid)}, 5000)")
        failed = await failure(db.execute("pid"))
        assert (failed.kind, failed.lost) == ("connection lost", True)
        assert (await db.execute("pid")).get_value(0, 0) != pid

    run(use())


def test_a_wrong_password_cannot_connect(server: wheels.Server, store: wheels.Server) -> None:
    async def use() -> None:
        db = postgres.Connection(replace(server.place, password="wrong"))
        db.prepare("one", "SELECT 1")
        failed = await failure(db.execute("one"))
        assert (failed.kind, failed.lost) == ("cannot connect", True)
        assert "password" in failed.message
        cache = redis.Connection(replace(store.place, password="wrong"))
        failed = await failure(cache.get("key"))
        assert (failed.kind, failed.lost) == ("cannot connect", True)
        assert "WRONGPASS" in failed.message

    run(use())


def test_nobody_listening_cannot_connect(server: wheels.Server) -> None:
    nowhere = replace(server.place.client, port=wheels.free_port())

    async def use() -> None:
        for client in (postgres.Connection, redis.Connection):
            connection = client(replace(server.place, client=nowhere))
            if isinstance(connection, postgres.Connection):
                connection.prepare("one", "SELECT 1")
            assert (await failure(connection.open())).kind == "cannot connect"

    run(use())


def test_cache_values_expire_and_go(cache: redis.Connection) -> None:
    async def use() -> None:
        assert await cache.get("key") is None
        await cache.set("key", "value")
        assert await cache.get("key") == b"value"
        assert await cache.execute("TTL", "key") == -1
        # More than a number of milliseconds could be, however long ago it was set.
        await cache.set("key", b"value", ex=600_000)
        assert 600_000 < await cache.execute("PTTL", "key") <= 600_000_000
        await cache.set(7, 8, px=600_000)
        assert await cache.get(7) == b"8"
        assert 0 < await cache.execute("PTTL", 7) <= 600_000
        await cache.set(7, 8, px=1)
        while await cache.get(7) is not None:
            await sleep_until(now() + 0.001)
        assert await cache.delete("key", "other") == 1
        assert await cache.get("key") is None

    run(use())


def test_a_big_cache_value_is_sent_and_received_whole(cache: redis.Connection) -> None:
    async def use() -> None:
        value = bytes(range(256)) * (_BIG // 256)
        await cache.set("big", value)
        assert await cache.get("big") == value
        await cache.delete("big")

    run(use())


def test_a_cache_error_is_named_by_its_first_word(
    store: wheels.Server, cache: redis.Connection
) -> None:
    plain = wheels.cache(store.place)

    async def use() -> None:
        await cache.set("word", "no number")
        assert (await failure(cache.execute("INCR", "word"))).kind == "ERR"
        plain.config_set("maxmemory", "1")
        failed = await failure(cache.set("key", "value"))
        assert (failed.kind, failed.lost) == ("OOM", False)
        plain.config_set("maxmemory", "0")
        await cache.set("key", "value")

    run(use())
    plain.close()


def test_a_lost_cache_connection_is_made_again(
    store: wheels.Server, cache: redis.Connection
) -> None:
    plain = wheels.cache(store.place)

    async def use() -> None:
        await cache.set("key", "value")
        plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        failed = await failure(cache.get("key"))
        assert (failed.kind, failed.lost) == ("connection lost", True)
        assert await cache.get("key") == b"value"

    run(use())
    plain.close()


def test_a_connection_closed_while_nobody_waits_for_it_does_not_spin(
    store: wheels.Server, cache: redis.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = wheels.cache(store.place)
    waits: list[float] = []
    wait = Loop._wait

    def counted(loop: Loop, poll: Any, timeout: float) -> list[tuple[int, int]]:
        waits.append(timeout)
        return wait(loop, poll, timeout)

    monkeypatch.setattr(Loop, "_wait", counted)

    async def use() -> None:
        await cache.get("idle")
        plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        before = len(waits)
        await sleep_until(now() + 0.2)
        # The event of the closed one, and the sleep: spinning would be thousands.
        assert len(waits) - before < 20
        assert (await failure(cache.get("idle"))).lost
        assert await cache.get("idle") is None

    run(use())
    plain.close()
