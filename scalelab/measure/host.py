"""The machine a run took place on: the one module of ``measure`` that looks outside."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import psutil


def facts() -> dict[str, str | int | float]:
    """What a reader needs to compare two runs; units are in the keys."""
    return {
        "scalelab": version("scalelab"),
        "platform": platform.platform(terse=True),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpus": cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average_1min": round(os.getloadavg()[0], 2),
    }


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
