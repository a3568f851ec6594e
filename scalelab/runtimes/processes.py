"""Processes of one folder: known by pid and start time, found again by where they work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import psutil

LABEL = "SCALELAB_FOLDER"
"""Environment variable that marks what scalelab starts with the folder it belongs to."""


def alive(pid: int, started: float) -> psutil.Process | None:
    """The process with this pid, if it is still the one that started at ``started``.

    Parameters
    ----------
    started : its start time in seconds since the epoch, as first seen.
    """
    try:
        process = psutil.Process(pid)
        # The clock of the boot time is coarse; a reused pid differs by far more than this.
        if abs(process.create_time() - started) > 0.05:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def started(pid: int) -> float:
    """When a new process started, in seconds since the epoch; 0 if it has died already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def working_in(folder: Path, names: Collection[str]) -> list[psutil.Process]:
    """The processes scalelab started for what lives in ``folder``.

    A server may overwrite its environment (PostgreSQL does, to show its state in ``ps``), so one
    is known by its working folder and either our label or the name of its executable. A user's
    own shell that stands in the folder is neither.

    Parameters
    ----------
    names : executables that count as servers.
    """
    return [process for process in psutil.process_iter() if _works_in(process, folder, names)]


def _works_in(process: psutil.Process, folder: Path, names: Collection[str]) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        where = process.cwd()
        if where != str(folder) and not where.startswith(f"{folder}/"):
            return False
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if Path(process.exe()).name.split(" ")[0] in names:
            return True
        return process.environ().get(LABEL, "").startswith(str(folder))
    return False


def end_all(find: Callable[[], Iterable[psutil.Process]], patience_s: float = 10.0) -> None:
    """Kill what ``find`` finds, until it finds nothing: a process may fork while it is hunted.

    Parameters
    ----------
    find : lists the processes still there.
    patience_s : seconds after which the survivors are an error.

    Raises
    ------
    TimeoutError : some survived.
    """
    deadline = time.monotonic() + patience_s
    while remaining := list(find()):
        for process in remaining:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > deadline:
            raise TimeoutError(f"these processes survive SIGKILL: {[p.pid for p in remaining]}")
        time.sleep(0.005)
