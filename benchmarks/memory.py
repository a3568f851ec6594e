"""What the load side of a run takes: the command and its workers, without the servers.

Run it from the repository's root: ``python -m benchmarks.memory``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks import pairs
from benchmarks.pairs import Row

_TARGET_MB = 300
_SAMPLE_S = 0.2


def rows() -> Iterator[Row]:
    """One row: the peak over a run of a lab with nothing but defaults.

    The figure is the sum of resident sets, in which what processes share counts once for each.
    """
    with tempfile.TemporaryDirectory(prefix="scalelab-bench-") as state:
        environment = {**os.environ, "SCALELAB_STATE": state}
        command = [sys.executable, "-m", "scalelab", "bench", "caching", "-r", "local"]
        run = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            peak_mb = _peak(run) / 1e6
        finally:
            run.terminate()
            run.wait()
            down = [sys.executable, "-m", "scalelab", "down", "--all"]
            subprocess.run(down, env=environment, check=True, stdout=subprocess.DEVNULL)
    # 1 and 3 are about claims, which this is not.
    if run.returncode not in (0, 1, 3):
        raise RuntimeError(f"the run failed ({run.returncode})")
    name = "load side of a run, all its processes / 300 MB"
    ratio = peak_mb / _TARGET_MB
    yield pairs.row(name, peak_mb, _TARGET_MB, "MB", ratio, "<= 1", ratio <= 1)


def _peak(run: subprocess.Popen[bytes]) -> int:
    """The most bytes its Python processes had at one time; returns when it has ended."""
    peak = 0
    while run.poll() is None:
        peak = max(peak, sum(_resident(run.pid)))
        try:
            run.wait(_SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
    return peak


def _resident(pid: int) -> Iterator[int]:
    try:
        command = psutil.Process(pid)
        family = [command, *command.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            # A server that this command started is its child too, but no Python.
            if Path(process.exe()).samefile(sys.executable):
                yield process.memory_info().rss
        except (psutil.Error, OSError):
            continue


if __name__ == "__main__":
    for row in rows():
        print(row)
