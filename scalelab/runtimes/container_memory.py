"""What a container's processes use of memory: from the kernel where it is ours, else from Docker.

Docker's own answer can take a second (its collector ticks once a second), far too long for a
status of ten nodes. On Linux with a daemon on the same machine the kernel answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.utils import version_lt

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def used(api: APIClient, inspected: Mapping[str, Any]) -> int | None:
    """Bytes in use by a running container, droppable file cache not counted.

    Parameters
    ----------
    inspected : the answer of ``inspect_container``.

    Returns
    -------
    None where nobody can tell (the container ended just now).
    """
    identifier = str(inspected["Id"])
    here = _from_kernel(int(inspected["State"]["Pid"]), identifier)
    return here if here is not None else _from_docker(api, identifier)


def from_stats(stats: Mapping[str, Any]) -> int | None:
    """The same from Docker's statistics document, None when it has no memory in it."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(0, int(memory["usage"]) - int(cache))


def _from_docker(api: APIClient, identifier: str) -> int | None:
    # One sample: without this two are taken, for a CPU rate that nobody asked for.
    one_shot = None if version_lt(api.api_version, "1.41") else True
    try:
        return from_stats(api.stats(identifier, stream=False, one_shot=one_shot))
    except APIError:
        return None


def _from_kernel(pid: int, identifier: str) -> int | None:
    try:
        groups = (_PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in groups:
        _, controllers, path = line.split(":", 2)
        # The daemon may run in another machine's (or container's) view, where the pid is
        # somebody else's: the group must carry the container's own id.
        if identifier not in path:
            continue
        if "memory" in controllers.split(","):
            folder = _CGROUP / "memory" / path.lstrip("/")
            return _read(folder / "memory.usage_in_bytes", folder, "total_inactive_file")
        if controllers == "":
            folder = _CGROUP / path.lstrip("/")
            if (usage := _read(folder / "memory.current", folder, "inactive_file")) is not None:
                return usage
    return None


def _read(usage: Path, folder: Path, cache: str) -> int | None:
    try:
        total = int(usage.read_text())
        details = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, total - int(details.get(cache, 0)))
    except (OSError, ValueError):
        return None
