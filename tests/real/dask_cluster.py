"""A Dask scheduler and workers on loopback: real processes, ended at the end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

# Read by Python at its start: a machine where scalelab is not installed.
_WITHOUT_SCALELAB = 'import sys\nsys.modules["scalelab"] = None\n'


class DaskCluster:
    """A scheduler (where there is no scalelab), and its workers by address."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.workers: dict[str, psutil.Process] = {}
        (folder / "without").mkdir()
        (folder / "without" / "sitecustomize.py").write_text(_WITHOUT_SCALELAB)
        said = folder / "scheduler.json"
        self.scheduler, _ = self._start(
            "scheduler", "--port", "0", "--no-show", "--scheduler-file", str(said), without=True
        )
        self.address = str(_until(lambda: json.loads(said.read_text())["address"]))

    def add(self, *options: str, without: bool = False) -> str:
        """Start a worker and wait until its scheduler knows it; its address."""
        process, log = self._start("worker", self.address, "--no-nanny", *options, without=without)
        text = _until(lambda: log.read_text() if "Registered to" in log.read_text() else "")
        found = re.search(r"Start worker at: +(\S+)", text)
        assert found
        self.workers[found[1]] = process
        return found[1]

    def _start(self, what: str, *options: str, without: bool) -> tuple[psutil.Process, Path]:
        log = self._folder / f"{what}-{len(self.workers)}.log"
        path = {"PYTHONPATH": str(self._folder / "without")} if without else {}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"distributed.cli.dask_{what}"),
                    *("--host", "127.0.0.1", "--no-dashboard", *options),
                ],
                cwd=self._folder,
                env={**os.environ, **path},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return psutil.Process(process.pid), log


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[DaskCluster]:
    """A scheduler with so many workers."""
    with contextlib.ExitStack() as stack:
        cluster = DaskCluster(folder, stack)
        for _ in range(workers):
            cluster.add("--nthreads", "1")
        yield cluster


def _until(look: Callable[[], str]) -> str:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(FileNotFoundError, ValueError):
            if found := look():
                return found
        assert time.monotonic() < deadline
        time.sleep(0.05)
