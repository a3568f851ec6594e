"""The peers, as programs that are run and asked for their rate."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.workload import ACCOUNTS, SCALE
from scalelab.model import Place

CLIENTS = 8
"""Of every peer, and ours."""


class Pgbench:
    """pgbench with prepared statements, in one thread.

    Parameters
    ----------
    program : its path.
    seconds : how long one run takes.
    """

    def __init__(self, program: Path, place: Place, seconds: float) -> None:
        self._program, self._seconds = program, max(1, round(seconds))
        at = ["-h", place.client.host, "-p", str(place.client.port), "-U", "lab", "lab"]
        self._at, self._env = at, {**os.environ, "PGPASSWORD": place.password}

    def initialize(self) -> None:
        self._run("-i", "-q", "-s", str(SCALE))

    def select(self) -> float:
        """Transactions per second of ``-S``, one select by key."""
        return self._tps("-S")

    def update(self) -> float:
        """Transactions per second of ``-N``, simple-update: five statements."""
        return self._tps("-N")

    def _tps(self, script: str) -> float:
        how = ("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(self._seconds))
        line = next(x for x in self._run(script, *how).splitlines() if x.startswith("tps = "))
        return float(line.split()[2])

    def _run(self, *arguments: str) -> str:
        command = [str(self._program), *arguments, *self._at]
        return _output(command, self._env)


class RedisBenchmark:
    """redis-benchmark without pipelining; ``seconds`` is how long one run takes."""

    def __init__(self, place: Place, seconds: float) -> None:
        at = ["-h", place.client.host, "-p", str(place.client.port), "-a", place.password]
        self._command, self._seconds = ["redis-benchmark", *at, "-P", "1", "--csv"], seconds
        # It takes a number of requests, not a time: what was done last tells how many.
        self._requests: dict[str, int] = {}

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be run; None when it can."""
        return None if shutil.which("redis-benchmark") else "redis-benchmark is not on PATH"

    def get(self) -> float:
        """GETs per second."""
        return self._rate("get")

    def set(self) -> float:
        """SETs per second."""
        return self._rate("set")

    def _rate(self, test: str) -> float:
        requests = self._requests.get(test, 100_000)
        how = ["-t", test, "-c", str(CLIENTS), "-n", str(requests)]
        done = _output([*self._command, *how])
        rate = float(done.splitlines()[-1].split(",")[1].strip('"'))
        self._requests[test] = max(10_000, int(rate * self._seconds))
        return rate


class Locust:
    """Locust, headless, in one process: users without a wait, each with a psycopg connection."""

    def __init__(self, place: Place, seconds: float, held: list[str]) -> None:
        # Held by a command prefix to part of a core, its users take some seconds to be there.
        script = Path(__file__).with_name("locust_select.py")
        how = ["--headless", "--users", str(CLIENTS), "--spawn-rate", str(CLIENTS), "--json"]
        how += ["--run-time", f"{round(seconds) + 5}s", "--reset-stats"]
        self._command = [*held, sys.executable, "-m", "locust", "-f", str(script), *how]
        self._env = {
            **os.environ,
            "PGHOST": place.client.host,
            "PGPORT": str(place.client.port),
            "PGUSER": "lab",
            "PGDATABASE": "lab",
            "PGPASSWORD": place.password,
            "ACCOUNTS": str(ACCOUNTS),
        }

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be run; None when it can."""
        return None if find_spec("locust") else "Locust is not installed (the extra `peers`)"

    def select(self) -> float:
        """Selects in a second of its own CPU time, once all users are there."""
        done = _run(self._command, self._env)
        (stats,) = json.loads(done.stdout)
        assert stats["num_failures"] == 0, stats
        # Its own log is on stderr, too.
        (used,) = re.findall(r"^cpu_s=(.+)$", done.stderr, re.MULTILINE)
        return float(stats["num_requests"] / float(used))


def _output(command: list[str], env: dict[str, str] | None = None) -> str:
    return _run(command, env).stdout


def _run(command: list[str], env: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr[-2000:]}")
    return done
