"""The relay process: what it delays, caps and cuts, when it stops by itself, and how it ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scalelab import ports
from scalelab.errors import EnvironmentLacks
from scalelab.links import Relays
from scalelab.model import Address, Route
from scalelab.runtimes import processes
from tests.real.test_cluster import until

_PATIENCE_S = 30.0


@pytest.fixture
def echo() -> Iterator[Address]:
    """A server that answers every byte with itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(peer: socket.socket) -> None:
            with peer, contextlib.suppress(OSError):
                while data := peer.recv(65536):
                    peer.sendall(data)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    threading.Thread(target=serve, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield Address(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[Relays]:
    made = Relays(tmp_path)
    yield made
    made.remove("shop")
    assert not (tmp_path / "links").exists()
    assert processes.working_in(tmp_path, ()) == []


@pytest.fixture
def route(relays: Relays, echo: Address) -> Route:
    (port,) = ports.reserve(1, (), "abcdef")
    listen = Address("127.0.0.1", port)
    return relays.hold("shop", Route("client--primary", "one", listen, echo), [])


def connect(route: Route) -> socket.socket:
    return socket.create_connection((route.listen.host, route.listen.port), timeout=_PATIENCE_S)


def exchange(wire: socket.socket, data: bytes) -> float:
    """Seconds until all of it has come back."""
    began, left = time.monotonic(), len(data)
    threading.Thread(target=wire.sendall, args=(data,)).start()
    while left:
        received = wire.recv(65536)
        assert received, "the connection ended"
        left -= len(received)
    return time.monotonic() - began


def impairment(**more: Any) -> dict[str, Any]:
    return {"until": None, **more}


def test_bytes_come_through_whole(route: Route) -> None:
    with connect(route) as wire:
        exchange(wire, bytes(range(256)) * 20_000)
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(1) == b""


def test_latency_on_an_open_connection(relays: Relays, route: Route) -> None:
    with connect(route) as wire:
        exchange(wire, b"x")
        relays.hold("shop", route, [impairment(delay_s=0.1, jitter_s=0.02)])
        assert all(exchange(wire, b"x") >= 0.16 for _ in range(3))


@pytest.mark.timing
def test_latency_is_no_cap(relays: Relays, route: Route) -> None:
    # One chunk after the other, each with its delay, would take a hundred delays and more.
    data, delay_s = b"x" * (100 * 64 * 1024), 0.1
    with connect(route) as wire:
        plain_s = max(exchange(wire, data) for _ in range(3))
        relays.hold("shop", route, [impairment(delay_s=delay_s)])
        once_s = max(exchange(wire, b"x") for _ in range(3))
        # The queue of each way holds 64 chunks: what does not fit waits for one more delay.
        assert exchange(wire, data) < 4 * (plain_s + once_s)


def test_bandwidth_over_all_connections_together(relays: Relays, route: Route) -> None:
    relays.hold("shop", route, [impairment(rate=200_000)])
    with connect(route) as one, connect(route) as two:
        began = time.monotonic()
        other = threading.Thread(target=exchange, args=(two, b"x" * 50_000))
        other.start()
        exchange(one, b"x" * 50_000)
        other.join()
        assert time.monotonic() - began >= 0.45


@pytest.mark.parametrize("held", [["there"], ["back"], ["there", "back"]])
def test_what_is_cut_is_held_and_comes_later(relays: Relays, route: Route, held: list[str]) -> None:
    with connect(route) as wire:
        exchange(wire, b"x")
        relays.hold("shop", route, [impairment(hold=held)])
        wire.sendall(b"held")
        wire.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.recv(4)
        with connect(route) as late:
            late.sendall(b"too")
            relays.hold("shop", route, [])
            wire.settimeout(_PATIENCE_S)
            assert wire.recv(4) == b"held"
            assert late.recv(3) == b"too"


def test_an_impairment_ends_by_itself(relays: Relays, route: Route) -> None:
    with connect(route) as wire:
        soon = time.time() + 0.5
        relays.hold("shop", route, [{"until": soon, "hold": ["there", "back"]}])
        exchange(wire, b"x")
        assert time.time() >= soon


def test_a_released_relay_keeps_its_connections_and_ends_with_the_last(
    relays: Relays, route: Route, tmp_path: Path
) -> None:
    with connect(route) as wire:
        exchange(wire, b"x")
        relays.release("shop", route)
        exchange(wire, b"still there")
        with pytest.raises(ConnectionRefusedError):
            connect(route)
    until(lambda: processes.alive(route.pid, route.started) is None)
    assert not (tmp_path / "links" / "shop" / "one").exists()
    relays.release("shop", route)  # again is harmless


def test_one_that_was_killed_is_started_again(relays: Relays, route: Route) -> None:
    process = processes.alive(route.pid, route.started)
    assert process is not None
    process.kill()
    until(lambda: processes.alive(route.pid, route.started) is None)
    again = relays.hold("shop", route, [])
    assert again.pid != route.pid
    with connect(again) as wire:
        exchange(wire, b"x")


def test_one_that_the_ledger_does_not_know_is_replaced(relays: Relays, route: Route) -> None:
    again = relays.hold("shop", replace(route, pid=0, started=0.0), [])
    assert processes.alive(route.pid, route.started) is None
    with connect(again) as wire:
        exchange(wire, b"x")


def test_a_taken_port_is_said(relays: Relays, echo: Address) -> None:
    with pytest.raises(EnvironmentLacks, match="does not work") as caught:
        relays.hold("shop", Route("client--primary", "two", echo, echo), [])
    assert "address already in use" in caught.value.details[0]


def test_nobody_to_pass_on_to(relays: Relays, route: Route) -> None:
    (port,) = ports.reserve(1, {route.listen.port}, "abcdef")
    (other,) = ports.reserve(1, {route.listen.port, port}, "abcdef")
    nobody = Route("client--cache", "two", Address("127.0.0.1", port), Address("127.0.0.1", other))
    with connect(relays.hold("shop", nobody, [])) as wire:
        assert wire.recv(1) == b""
