"""Kept runs and sweeps: a document each, ``<state>/runs/<UTC time>-<lab>.json``, and ``latest``.

Texts only; what is in them is the business of ``report``. A file appears complete or not at all,
and is for its owner alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from scalelab.errors import EnvironmentLacks

LATEST = "latest"
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


class Runs:
    """The kept runs of one state folder.

    Parameters
    ----------
    state : the state folder; made, for its owner alone, when a run is first kept.
    """

    def __init__(self, state: Path) -> None:
        self._state = state.absolute()
        self.folder = self._state / "runs"

    def keep(self, text: str, lab: str, started: float) -> str:
        """Write a run's document, point ``latest`` at it, and return its name.

        Parameters
        ----------
        started : seconds since the epoch.

        Raises
        ------
        EnvironmentLacks : the disk is full, or the folder cannot be written.
        """
        stem = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(started))}-{_ODD.sub('-', lab)}"
        with self._writable():
            for folder in (self._state, self.folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            number = 1
            while not self._write(name := stem if number == 1 else f"{stem}-{number}", text):
                number += 1
            self._point(name)
        return name

    def replace(self, name: str, text: str) -> None:
        """Put a longer document in the place of one that was kept; raises as ``keep`` does."""
        with self._writable():
            self._write(name, text, again=True)

    def names(self) -> list[str]:
        """The names of all kept runs, the newest first."""
        found = self.folder.glob("*.json")
        return sorted((path.stem for path in found if path.stem != LATEST), reverse=True)

    def latest(self) -> str | None:
        """The run that was kept last, None if there is none."""
        with contextlib.suppress(OSError):
            name = (self.folder / LATEST).readlink().stem
            if self.path(name).is_file():
                return name
        # The link is gone, or its run is.
        return next(iter(self.names()), None)

    def path(self, name: str) -> Path:
        """Where the run of this name is."""
        return self.folder / f"{name}.json"

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise EnvironmentLacks(
                f"{self.folder} cannot be written: {error.strerror}",
                "free some disk space" if full else "make it writable, or set SCALELAB_STATE",
            ) from None

    def _write(self, name: str, text: str, *, again: bool = False) -> bool:
        """Write under this name unless it is taken."""
        # Who makes this file owns the name until it is renamed, so no two runs meet.
        fresh = self.folder / f"{name}.new"
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                if self.path(name).exists() and not again:
                    return False
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path(name))
            return True
        finally:
            fresh.unlink(missing_ok=True)

    def _point(self, name: str) -> None:
        fresh = self.folder / f"{LATEST}.{os.getpid()}"
        # Some file systems have no links; the newest name serves as well.
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(f"{name}.json")
            fresh.replace(self.folder / LATEST)
