"""The machine a run took place on: the one module of ``measure`` that looks outside."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

_GIT_S = 5.0


def facts() -> dict[str, str | int | float]:
    """What a reader needs to compare two runs; units are in the keys.

    ``commit`` is there when scalelab runs from a git checkout of its own.
    """
    found = commit()
    return {
        "scalelab": version("scalelab"),
        **({"commit": found} if found else {}),
        "platform": platform.platform(terse=True),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpus": cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average_1min": round(os.getloadavg()[0], 2),
    }


def commit(folder: Path = Path(__file__).parent) -> str:
    """The commit that the code in ``folder`` is of, "-dirty" where it was changed since.

    "" outside a checkout, without git, and in somebody else's repository, such as one that merely
    contains the virtual environment scalelab is installed in: it does not track the folder.
    """
    if not any((above / ".git").exists() for above in folder.absolute().parents):
        return ""
    # A git hook's environment names its own repository; and nothing is to be written, no index.
    passed = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**passed, "GIT_OPTIONAL_LOCKS": "0"}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_GIT_S, check=True
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", "--", "."):
            return ""
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return ""


def cpus() -> int:
    """Cores this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Steal:
    """Share of CPU time the hypervisor gave to others since this was made."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float | None:
        """From 0 to 1, None where the system does not count it."""
        now = psutil.cpu_times()
        if not hasattr(now, "steal"):
            return None
        total = sum(now) - sum(self._before)
        return max(0.0, now.steal - self._before.steal) / total if total > 0 else 0.0
