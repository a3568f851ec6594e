"""How long a cluster and the help take to come, against the bare floor, in interleaved pairs.

Run it from the repository's root: ``python -m benchmarks.startup``.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.pairs import Row
from scalelab import catalog, ports
from scalelab.runtimes.local import unprivileged

_PAIRS = 5
_SCALELAB = [sys.executable, "-m", "scalelab"]


def rows() -> list[Row]:
    """Each comparison: ours, the peer's, their ratio (median of pairs), and the target."""
    with tempfile.TemporaryDirectory(prefix="scalelab-bench-") as folder:
        floor, state = Path(folder) / "floor", Path(folder) / "state"
        ups, floors, downs = [], [], []
        _floor(floor)  # both read their binaries from a warm disk
        for _ in range(_PAIRS):
            floors.append(_floor(floor))
            up, down = _up_and_down(state)
            ups.append(up)
            downs.append(down)
    typer = [sys.executable, "-c", "import typer"]
    pairs = [(_timed([*_SCALELAB, "--help"]), _timed(typer)) for _ in range(2 * _PAIRS)]
    return [
        _row("up replication, 2 replicas / bare floor", list(zip(ups, floors, strict=True)), 3.0),
        _row("down, 3 nodes / one second", [(down, 1.0) for down in downs], 1.0),
        _row("scalelab --help / import typer", pairs, 3.0),
    ]


def _row(name: str, pairs: list[tuple[float, float]], target: float) -> Row:
    ratio = statistics.median(ours / peer for ours, peer in pairs)
    return {
        "name": name,
        "ours": round(statistics.median(ours for ours, _ in pairs), 3),
        "peer": round(statistics.median(peer for _, peer in pairs), 3),
        "unit": "s",
        "ratio": round(ratio, 2),
        "target": f"<= {target:g}",
        "ok": ratio <= target,
    }


def _timed(command: list[str], **environment: str) -> float:
    # As a user has it: modules compiled once, not at each start.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(command, env={**inherited, **environment}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _up_and_down(state: Path) -> tuple[float, float]:
    settings = {"SCALELAB_STATE": str(state)}
    up = _timed([*_SCALELAB, "up", "replication", "-r", "local"], **settings)
    return up, _timed([*_SCALELAB, "down"], **settings)


def _floor(folder: Path) -> float:
    """What a script with the same binaries does: initdb, start, two base backups, two starts."""
    binaries = Path(catalog.services["postgres"].binaries())
    chosen = ports.reserve(3, (), "0")
    servers: list[subprocess.Popen[bytes]] = []

    def command(*words: object) -> list[str]:
        return [*unprivileged(), *map(str, words)]

    def serve(data: Path, port: int) -> None:
        where = ("-D", data, "-p", port, "-k", "", "-c", "listen_addresses=127.0.0.1")
        log = (folder / f"{data.name}.log").open("wb")
        servers.append(
            subprocess.Popen(command(binaries / "postgres", *where), stdout=log, stderr=log)
        )
        log.close()
        check = command(binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", port)
        _until(lambda: subprocess.run(check, check=False).returncode == 0)

    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir()
    began = time.perf_counter()
    try:
        primary = folder / "primary"
        init = command(binaries / "initdb", "-D", primary, "-U", "lab", "-A", "trust")
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        # As ours: without it two base backups side by side can lose each other's WAL.
        with (primary / "postgresql.conf").open("a") as settings:
            settings.write("wal_keep_size = 128MB\n")
        serve(primary, chosen[0])
        replicas = [folder / "replica1", folder / "replica2"]
        source = ("-h", "127.0.0.1", "-p", chosen[0], "-U", "lab", "-c", "fast", "-R", "-C")
        copies = [
            subprocess.Popen(
                command(binaries / "pg_basebackup", "-D", data, *source, "-S", data.name)
            )
            for data in replicas
        ]
        for copy in copies:
            assert copy.wait() == 0
        for data, port in zip(replicas, chosen[1:], strict=True):
            serve(data, port)
        return time.perf_counter() - began
    finally:
        for server in reversed(servers):
            server.send_signal(signal.SIGINT)
        for server in servers:
            server.wait()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a server did not answer within 60 s")
        time.sleep(0.01)


if __name__ == "__main__":
    for row in rows():
        print(row)
