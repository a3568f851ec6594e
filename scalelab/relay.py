"""A TCP relay that makes one link slow, narrow or dead: a process of its own.

It reads ``settings.json`` in the folder it is started for, and again on SIGHUP; what it holds to,
it says by the settings' revision in the file ``revision``. An impairment ends at its ``until`` by
the relay's own clock, also when nobody is left to lift it. Told to close it takes no new
connection, serves those it has, unimpaired, and ends with the last: healing breaks none.

Run by its file name and isolated (``python -I relay.py FOLDER``), it uses the standard library
alone: it starts soon and costs nothing while no bytes come.

What is cut is held, as a network that loses every packet would look to TCP: nobody is told, and
after the cut the bytes arrive. A connection made during a cut is accepted (the kernel does that)
and hears nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHUNK = 64 * 1024
_QUEUED = 64
"""Chunks one direction of a connection may hold back, as the buffers of a network would."""
_SMOOTH_S = 0.05
"""A throttled direction passes on at most this much of its rate at once."""

THERE, BACK = "there", "back"
"""From the end that connects (the client, the follower) to the node, and from the node back."""


@dataclass
class Way:
    """One direction of the link, shared by all connections.

    Parameters
    ----------
    delay_s : added to every chunk.
    jitter_s : the delay varies evenly by as much, up and down.
    rate : bytes per second, None for no limit.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate: float | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _free_at: float = 0.0

    def set(self, impairments: list[dict[str, Any]], direction: str) -> None:
        """Hold to these impairments, together, from now on."""
        self.delay_s = sum(each.get("delay_s", 0.0) for each in impairments)
        self.jitter_s = sum(each.get("jitter_s", 0.0) for each in impairments)
        self.rate = min((each["rate"] for each in impairments if "rate" in each), default=None)
        self._free_at = 0.0
        if any(direction in each.get("hold", ()) for each in impairments):
            self.open.clear()
        else:
            self.open.set()

    def due(self, now: float) -> float:
        """When a chunk that comes now goes on, on the same clock (s)."""
        return now + max(0.0, self.delay_s + random.uniform(-self.jitter_s, self.jitter_s))

    def piece(self) -> int:
        """The most bytes to pass on at once."""
        return _CHUNK if self.rate is None else max(1, min(_CHUNK, int(self.rate * _SMOOTH_S)))

    async def take(self, count: int) -> None:
        """Wait until ``count`` more bytes may pass."""
        if self.rate is not None:
            now = asyncio.get_running_loop().time()
            self._free_at = max(now, self._free_at) + count / self.rate
            await asyncio.sleep(self._free_at - now)


class Relay:
    """One link's listener, its two directions and its settings.

    Parameters
    ----------
    folder : where its settings are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings: dict[str, Any] = {}
        self._ways = {THERE: Way(), BACK: Way()}
        self._expiry: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self._open = 0
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Serve until the process is ended, or told to close and its last connection has gone."""
        self.reload()
        host, port = self._settings["listen"]
        self._server = await asyncio.start_server(self._accept, host, port)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)
        self._say()
        await self._done.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def reload(self) -> None:
        """Read the settings and hold to them."""
        text = (self._folder / "settings.json").read_text(encoding="utf-8")
        self._settings = json.loads(text)
        self._hold()
        if self._server:
            # Done before it is said: who hears it may rely on it.
            if self._settings["closing"]:
                self._server.close()
            self._say()
            self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._settings["closing"] and not self._open:
            self._done.set()

    def _hold(self) -> None:
        now = time.time()
        current = [
            i for i in self._settings["impairments"] if i["until"] is None or i["until"] > now
        ]
        for direction, way in self._ways.items():
            way.set(current, direction)
        if self._expiry:
            self._expiry.cancel()
        ends = [impairment["until"] for impairment in current if impairment["until"] is not None]
        if ends:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(min(ends) - now + 0.001, self._hold)

    def _say(self) -> None:
        fresh = self._folder / "revision.new"
        fresh.write_text(str(self._settings["revision"]), encoding="utf-8")
        fresh.replace(self._folder / "revision")

    async def _accept(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            await self._serve(near, near_out)
        finally:
            self._open -= 1
            self._end_when_idle()

    async def _serve(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        writers = [near_out]
        try:
            # Connecting takes packets both ways.
            for way in self._ways.values():
                await way.open.wait()
            far, far_out = await asyncio.open_connection(*self._settings["target"])
            writers.append(far_out)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(near, far_out, self._ways[THERE]))
                both.create_task(_pump(far, near_out, self._ways[BACK]))
        except (OSError, ExceptionGroup):
            pass  # one end has gone: so does the other
        finally:
            for writer in writers:
                writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    """Pass on one direction of one connection, until its end."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)

    async def collect() -> None:
        due = 0.0
        while True:
            data = await reader.read(_CHUNK)
            due = max(due, way.due(loop.time()))  # TCP keeps its order
            await waiting.put((due, data))
            if not data:
                return

    async def deliver() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            while data:
                await way.open.wait()
                piece, data = data[: (size := way.piece())], data[size:]
                await way.take(len(piece))
                writer.write(piece)
                await writer.drain()
                if not data:
                    break
            else:
                await way.open.wait()
                writer.write_eof()
                return

    async with asyncio.TaskGroup() as group:
        group.create_task(collect())
        group.create_task(deliver())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Relay(Path(sys.argv[1])).run())
