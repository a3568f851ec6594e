"""Where output goes: data on stdout, progress and errors on stderr."""

from __future__ import annotations

import errno
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalelab.errors import EnvironmentLacks, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@functools.cache
def stdout() -> Console:
    """The console for data."""
    from rich.console import Console

    return Console(soft_wrap=False, highlight=False)


@functools.cache
def stderr() -> Console:
    """The console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


def renew() -> None:
    """Have new consoles from now on, whatever state an interrupt has left those in use in."""
    stdout.cache_clear()
    stderr.cache_clear()


def note(text: str) -> None:
    """One line of progress."""
    stderr().print(text, style="dim", markup=False)


class Fetching:
    """Shows how much of a download is here: called with what, bytes so far, and bytes in all."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        if self._bar is None or self._task is None:
            columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=stderr())
            self._task = self._bar.add_task(what, total=total)
            self._bar.start()
            if not stderr().is_terminal:
                note(f"{what}: {size(total)}")
        self._bar.update(self._task, completed=done)
        if done >= total:
            self._bar.stop()
            self._bar = self._task = None


def document(schema: str, version: int, content: Mapping[str, Any]) -> None:
    """Print one versioned JSON document.

    Parameters
    ----------
    schema : its name, such as "scalelab.status".
    version : raised whenever a key changes its meaning or goes.
    content : plain data, units in the keys.
    """
    json.dump({"schema": schema, "version": version, **content}, sys.stdout, indent=2)
    sys.stdout.write("\n")


DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_files(*names: str | None) -> None:
    """Check what is to be written where, before any work is done for it.

    Parameters
    ----------
    names : of files; "-" is stdout, None nothing.

    Raises
    ------
    UsageError : a file's folder does not exist, or two documents would meet on stdout.
    """
    for name in names:
        if name and name != "-" and not Path(name).absolute().parent.is_dir():
            raise UsageError(f"there is no folder for {name}", "make it first")
    if names.count("-") > 1:
        raise UsageError("only one document fits on stdout", "give the other a file name")


def write(name: str, text: str, hint: str) -> None:
    """Write a document to a file, or to stdout when its name is "-".

    Raises
    ------
    EnvironmentLacks : it cannot be written; ``hint`` says what to do.
    """
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        if error.errno in DISK_FULL and Path(name).is_file():
            Path(name).unlink()  # the half that fits is no document
        raise EnvironmentLacks(f"{name} cannot be written: {error.strerror}", hint) from None


def size(count: int | None) -> str:
    """Bytes for people: "256 MB"."""
    from scalelab import units

    return "-" if count is None else units.size(count)


def duration(seconds: float | None) -> str:
    """Seconds for people: "3 s", "12 min", "5 h"."""
    if seconds is None:
        return "-"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
