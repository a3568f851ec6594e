"""Disks of local nodes: each a file system in memory (tmpfs) of a fixed size, mounted as root.

Only what is mounted below a folder of ours is ever filled or unmounted. What is mounted is the
kernel's to say (/proc/self/mounts), so that a mount is found whatever was killed.
"""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import psutil

from scalelab import units
from scalelab.errors import EnvironmentLacks
from scalelab.model import Place

_CHUNK = bytes(1024**2)
_FILLER = "filler"


def must_fit(size: int, nodes: int, memory: int) -> None:
    """Raise EnvironmentLacks where disks for so many nodes are too much for a machine's memory.

    Parameters
    ----------
    size, memory : bytes.
    """
    if nodes * size > memory // 2:
        raise EnvironmentLacks(
            f"disks for {nodes} nodes take {units.size(nodes * size)} of memory, and more than half"
            f" of {units.size(memory)} is too much",
            "give each a smaller one: --disk",
        )


def check(size: int, nodes: int) -> None:
    """Raise EnvironmentLacks where this user cannot mount so many disks."""
    must_fit(size, nodes, psutil.virtual_memory().total)
    if os.geteuid() != 0:
        raise EnvironmentLacks(
            "only root may mount a disk of its own for each node",
            "use --runtime docker, where containers have them without root; or leave --disk out",
        )


def gone(place: Place) -> EnvironmentLacks:
    """What to raise where a node has been prepared and its disk is not there any more."""
    return EnvironmentLacks(
        f"the disk of {place.node.name} was in memory, and what was on it is gone",
        f"bring the cluster up anew: scalelab down --name {place.cluster}, then scalelab up",
    )


def mount(folder: Path, size: int) -> None:
    """Give ``folder`` a file system of ``size`` bytes; one it has is kept."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not is_mounted(folder):
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder))


def is_mounted(folder: Path) -> bool:
    """Whether it has a file system of its own."""
    return str(folder.resolve()) in _mounts()


def unmount_below(folder: Path) -> None:
    """Unmount whatever is mounted below ``folder``; a shell that stands in it hinders nothing."""
    for path in _mounts():
        if path.startswith(f"{folder.resolve()}/"):
            _run("umount", "-l", path)


def fill(folder: Path, size: int) -> None:
    """Leave no space on the disk at ``folder``; ``size`` bytes at the most, whatever it is."""
    if not is_mounted(folder):
        raise EnvironmentLacks(f"{folder} is no disk of its own", "see: scalelab status")
    with (folder / _FILLER).open("ab", buffering=0) as filler:
        try:
            for _ in range(0, size, len(_CHUNK)):
                filler.write(_CHUNK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def free(folder: Path) -> None:
    """Give back what ``fill`` took."""
    (folder / _FILLER).unlink(missing_ok=True)


def space(folder: Path) -> int:
    """Bytes left."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _mounts() -> list[str]:
    """Where anything is mounted, the innermost first."""
    return sorted((disk.mountpoint for disk in psutil.disk_partitions(all=True)), reverse=True)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EnvironmentLacks(f"there is no {command[0]} command", "install util-linux") from None
    if done.returncode != 0:
        raise EnvironmentLacks(
            f"{command[0]} of a node's disk failed: {done.stderr.strip()}",
            "use --runtime docker, or leave --disk out",
        )
