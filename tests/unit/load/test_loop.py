from __future__ import annotations

import select
import socket
import time
import types
from collections.abc import Generator, Iterator

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
    loop.run(now() + 2)
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
    loop.run(now() + 5)
    assert received == size


def test_sleepers_wake_in_time_and_in_order(loop: Loop) -> None:
    woken: list[tuple[int, float]] = []

    async def sleeper(number: int, at: float) -> None:
        await sleep_until(at)
        woken.append((number, now() - at))

    for _ in range(100):  # a busy machine may wake us late many times, but not always
        woken.clear()
        start = now()
        for number in (3, 1, 2):
            loop.spawn(sleeper(number, start + number * 0.0105))
        loop.run(start + 60)
        assert [number for number, _ in woken] == [1, 2, 3]
        assert all(late >= 0 for _, late in woken)
        assert now() - start < 50  # nothing left to do: it returns
        if min(late for _, late in woken) < 0.001:
            return
    pytest.fail("it never woke within a millisecond")


def test_it_returns_at_its_time_and_does_not_spin(loop: Loop) -> None:
    async def forever() -> None:
        await sleep_until(now() + 60)

    loop.spawn(forever())
    start, cpu = now(), time.process_time()
    loop.run(start + 0.3)
    assert now() - start == pytest.approx(0.3, abs=0.1)
    assert time.process_time() - cpu < 0.05


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
    loop.run(now() + 2)
    assert got == [b"x"] * 3


def test_an_event_nobody_waits_for_is_put_aside_until_somebody_does(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    got: list[bytes] = []

    async def reader() -> None:
        readable = Wait(left.fileno())
        right.send(b"1")
        await ready(readable)
        got.append(left.recv(1))
        right.send(b"2")
        cpu = time.process_time()
        await sleep_until(now() + 0.2)
        assert time.process_time() - cpu < 0.05
        await ready(readable)
        got.append(left.recv(1))

    loop.spawn(reader())
    loop.run(now() + 2)
    assert got == [b"1", b"2"]


def test_what_a_task_raises_comes_out(loop: Loop) -> None:
    async def broken() -> None:
        await sleep_until(now() + 0.001)
        raise LookupError

    loop.spawn(broken())
    with pytest.raises(LookupError):
        loop.run(now() + 1)
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
    loop.run(now() + 1)
    assert events == ["cleaned"]
