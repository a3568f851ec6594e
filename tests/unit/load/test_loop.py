from __future__ import annotations

import select
import socket
import time
import types
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from scalelab.load import loop as loop_module
from scalelab.load.loop import Loop, now, sleep_until
from scalelab.protocols import Wait


@pytest.fixture(params=["epoll", "selectors"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    if request.param == "selectors":
        monkeypatch.delattr(select, "epoll", raising=False)
        # What selectors itself picks where there is no epoll and no kqueue.
        monkeypatch.setattr(loop_module.selectors, "DefaultSelector", _Polling)
    elif not hasattr(select, "epoll"):
        pytest.skip("this system has no epoll")
    loop = Loop()
    yield loop
    loop.close()


# A loop returns once nothing is left to do: this is how long a test may hang.
PATIENCE_S = 60


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every wait of a loop, by how long it meant to wait: a loop that spins waits very often."""
    made: list[float] = []
    original = Loop._wait

    def wait(loop: Loop, poll: Any, timeout: float) -> list[tuple[int, int]]:
        made.append(timeout)
        return original(loop, poll, timeout)

    monkeypatch.setattr(Loop, "_wait", wait)
    return made


class _Polling(loop_module.selectors.SelectSelector):
    """A selector whose number can be waited for, as that of kqueue can."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = socket.socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def close(self) -> None:
        for end in self._ends:
            end.close()
        super().close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        yield left, right


@types.coroutine
def ready(wait: Wait) -> Generator[Wait, None, None]:
    yield wait


def test_a_task_goes_on_when_its_socket_is_readable(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    got: list[bytes] = []

    async def reader() -> None:
        readable = Wait(left.fileno())
        for _ in range(3):
            await ready(readable)
            got.append(left.recv(10))

    async def writer() -> None:
        for letter in (b"a", b"b", b"c"):
            await sleep_until(now() + 0.005)
            right.send(letter)

    loop.spawn(reader())
    loop.spawn(writer())
    loop.run(now() + PATIENCE_S)
    assert got == [b"a", b"b", b"c"]
    assert not loop.tasks


def test_a_task_goes_on_when_its_socket_is_writable(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    size, received = 3_000_000, 0

    async def sender() -> None:
        writable, rest = Wait(left.fileno(), write=True), size
        while rest:
            await ready(writable)
            rest -= left.send(bytes(min(rest, 100_000)))

    async def receiver() -> None:
        nonlocal received
        readable = Wait(right.fileno())
        while received < size:
            await ready(readable)
            received += len(right.recv(100_000))

    loop.spawn(sender())
    loop.spawn(receiver())
    loop.run(now() + PATIENCE_S)
    assert received == size


def wake_three(loop: Loop) -> list[tuple[int, float]]:
    """Three sleepers, started out of order: which woke, and how late."""
    woken: list[tuple[int, float]] = []

    async def sleeper(number: int, at: float) -> None:
        await sleep_until(at)
        woken.append((number, now() - at))

    start = now()
    for number in (3, 1, 2):
        loop.spawn(sleeper(number, start + number * 0.0105))
    loop.run(start + PATIENCE_S)
    assert not loop.tasks  # it returned because nothing was left to do
    return woken


def test_sleepers_wake_in_order_and_never_early(loop: Loop) -> None:
    woken = wake_three(loop)
    assert [number for number, _ in woken] == [1, 2, 3]
    assert all(late >= 0 for _, late in woken)


@pytest.mark.timing
def test_sleepers_wake_as_soon_as_the_machine_can(loop: Loop) -> None:
    def by_the_system() -> float:
        due = now() + 0.0105
        time.sleep(0.0105)
        return now() - due

    tries = 30
    ours = sorted(late for _ in range(tries) for _, late in wake_three(loop))
    systems = sorted(by_the_system() for _ in range(3 * tries))
    # The median of each, so that a moment in which others had the machine does not count. epoll
    # alone, which counts in milliseconds, would be late by one.
    middle = len(ours) // 2
    assert ours[middle] < systems[middle] + 0.0005


def test_it_returns_at_its_time_and_does_not_spin(loop: Loop, waits: list[float]) -> None:
    async def forever() -> None:
        await sleep_until(now() + 600)

    loop.spawn(forever())
    until = now() + 0.1
    loop.run(until)
    assert now() >= until
    assert loop.tasks
    # One that is a little too short, and a few looks; a busy machine makes them fewer.
    assert len(waits) < 20


def test_a_socket_that_was_made_again_with_its_old_number_is_watched(loop: Loop) -> None:
    got: list[bytes] = []

    async def reader() -> None:
        numbers = set()
        for _ in range(3):
            left, right = socket.socketpair()
            with left, right:
                numbers.add(left.fileno())
                right.send(b"x")
                await ready(Wait(left.fileno()))
                got.append(left.recv(1))
        assert len(numbers) == 1

    loop.spawn(reader())
    loop.run(now() + PATIENCE_S)
    assert got == [b"x"] * 3


def test_an_event_nobody_waits_for_is_put_aside_until_somebody_does(
    loop: Loop, pair: tuple[socket.socket, socket.socket], waits: list[float]
) -> None:
    left, right = pair
    got: list[bytes] = []

    async def reader() -> None:
        readable = Wait(left.fileno())
        right.send(b"1")
        await ready(readable)
        got.append(left.recv(1))
        right.send(b"2")
        before = len(waits)
        await sleep_until(now() + 0.1)
        assert len(waits) - before < 20
        await ready(readable)
        got.append(left.recv(1))

    loop.spawn(reader())
    loop.run(now() + PATIENCE_S)
    assert got == [b"1", b"2"]


def test_what_a_task_raises_comes_out(loop: Loop) -> None:
    async def broken() -> None:
        await sleep_until(now() + 0.001)
        raise LookupError

    loop.spawn(broken())
    with pytest.raises(LookupError):
        loop.run(now() + PATIENCE_S)
    assert not loop.tasks


def test_a_cancelled_task_cleans_up_and_is_never_woken(loop: Loop) -> None:
    events: list[str] = []

    async def sleeper() -> None:
        try:
            await sleep_until(now() + 0.01)
            events.append("woken")
        finally:
            events.append("cleaned")

    async def other() -> None:
        await sleep_until(now() + 0.05)

    task = loop.spawn(sleeper())
    loop.spawn(other())
    loop.cancel(task)
    loop.run(now() + PATIENCE_S)
    assert events == ["cleaned"]
