"""CPU and memory budgets of local processes: control groups v1 or v2, or systemd user scopes.

Each node gets a group of its own below ``scalelab-<state id>``; the group is also the surest list
of the node's processes. Sources: the kernel's admin-guide/cgroup-v1 (cpu, memory) and
admin-guide/cgroup-v2; systemd.resource-control(5).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Protocol

from scalelab.model import Budget

_PERIOD_US = 10_000  # a node must not stall for most of the usual 100 ms: it would be the tail
_LEAST_QUOTA_US = 1_000  # the kernel takes no less


def quota(cpus: float) -> tuple[int, int]:
    """The CFS quota and period of a share of one core.

    Parameters
    ----------
    cpus : share of one core, > 0.

    Returns
    -------
    Quota and period in microseconds; the period is 10 ms unless the quota would fall below 1 ms.
    """
    period = max(_PERIOD_US, min(1_000_000, round(_LEAST_QUOTA_US / cpus)))
    return max(_LEAST_QUOTA_US, round(cpus * period)), period


class Budgets(Protocol):
    """One way to hold local processes to a budget."""

    how: str

    def enter(self, cluster: str, node: str) -> list[str]:
        """The command prefix that puts a process into the node's group and then runs it.

        The group has all the CPU again until ``limit``: a boot runs at full speed.
        """

    def limit(self, cluster: str, node: str, budget: Budget) -> None:
        """Enforce ``budget`` on the node's group from now on."""

    def pids(self, cluster: str, node: str) -> set[int]:
        """The processes in the node's group; node "*" means all the cluster's."""

    def remove(self, cluster: str) -> None:
        """Remove the (empty) groups of a cluster."""

    def clusters(self) -> set[str]:
        """The clusters that have groups."""


class _ControlGroups:
    """Folders under one or more control-group mounts, that of the CPU first."""

    _cpu_limit: tuple[str, str]
    """The file of the CPU limit, and what it says where there is none."""

    def __init__(self, roots: list[Path], state_id: str) -> None:
        self._roots = roots
        self._tops = [root / f"scalelab-{state_id}" for root in roots]

    def _groups(self, cluster: str, node: str) -> list[Path]:
        return [top / cluster / node for top in self._tops]

    def enter(self, cluster: str, node: str) -> list[str]:
        groups = self._groups(cluster, node)
        for group in groups:
            self._make(group)
        limit, none = self._cpu_limit
        (groups[0] / limit).write_text(none)
        # The process moves itself, before it has a child that could stay behind.
        join = "".join(f"echo 0 > {shlex.quote(str(group))}/cgroup.procs; " for group in groups)
        return ["sh", "-c", f'set -e; {join}exec "$@"', "sh"]

    def _make(self, group: Path) -> None:
        group.mkdir(parents=True, exist_ok=True)

    def pids(self, cluster: str, node: str) -> set[int]:
        found: set[int] = set()
        for file in [f for top in self._tops for f in top.glob(f"{cluster}/{node}/cgroup.procs")]:
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in file.read_text().split()}
        return found

    def remove(self, cluster: str) -> None:
        for top in self._tops:
            for group in [*sorted((top / cluster).glob("*/")), top / cluster]:
                _remove_group(group)
            with contextlib.suppress(OSError):
                top.rmdir()  # other clusters may still be in it

    def clusters(self) -> set[str]:
        return {group.name for top in self._tops if top.is_dir() for group in top.glob("*/")}


class _V1(_ControlGroups):
    how = "cgroup v1"
    _cpu_limit = ("cpu.cfs_quota_us", "-1")

    def limit(self, cluster: str, node: str, budget: Budget) -> None:
        cpu, memory = self._groups(cluster, node)
        if budget.cpus is not None:
            share, period = quota(budget.cpus)
            (cpu / "cpu.cfs_period_us").write_text(str(period))
            (cpu / "cpu.cfs_quota_us").write_text(str(share))
        if budget.held is not None:
            (memory / "memory.limit_in_bytes").write_text(str(budget.held))


class _V2(_ControlGroups):
    how = "cgroup v2"
    _cpu_limit = ("cpu.max", "max")

    def _make(self, group: Path) -> None:
        super()._make(group)
        for parent in (group.parent.parent.parent, group.parent.parent, group.parent):
            (parent / "cgroup.subtree_control").write_text("+cpu +memory")

    def limit(self, cluster: str, node: str, budget: Budget) -> None:
        (group,) = self._groups(cluster, node)
        if budget.cpus is not None:
            (group / "cpu.max").write_text("{} {}".format(*quota(budget.cpus)))
        if budget.held is not None:
            (group / "memory.max").write_text(str(budget.held))


class _SystemdScopes:
    """Transient scopes of the user's own service manager: no root needed."""

    how = "systemd user scope"

    def __init__(self, state_id: str) -> None:
        self._prefix = f"scalelab-{state_id}"

    def _unit(self, cluster: str, node: str) -> str:
        return f"{self._prefix}-{cluster}-{node}.scope"

    def enter(self, cluster: str, node: str) -> list[str]:
        unit = self._unit(cluster, node)
        return ["systemd-run", "--user", "--scope", "--quiet", "--collect", f"--unit={unit}", "--"]

    def limit(self, cluster: str, node: str, budget: Budget) -> None:
        properties = []
        if budget.cpus is not None:
            share, period = quota(budget.cpus)
            percent = f"{100 * share / period:g}%"
            properties += [f"CPUQuotaPeriodSec={period}us", f"CPUQuota={percent}"]
        if budget.held is not None:
            properties.append(f"MemoryMax={budget.held}")
        if properties:
            unit = self._unit(cluster, node)
            _systemctl("set-property", "--runtime", unit, *properties, check=True)

    def pids(self, cluster: str, node: str) -> set[int]:
        pattern = self._unit(cluster, node)
        found: set[int] = set()
        for group in _systemctl("show", "-P", "ControlGroup", pattern).split():
            with contextlib.suppress(OSError):
                text = Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text()
                found |= {int(pid) for pid in text.split()}
        return found

    def remove(self, cluster: str) -> None:
        """A scope vanishes with its last process."""

    def clusters(self) -> set[str]:
        return set()  # the processes themselves are found by their folder


def find(state_id: str) -> Budgets | None:
    """The way to enforce budgets that works for this user on this machine, if there is one.

    Parameters
    ----------
    state_id : the label of this user's state folder.
    """
    v1 = [Path("/sys/fs/cgroup") / name for name in ("cpu", "memory")]
    if all((root / "cgroup.procs").exists() for root in v1):
        return _V1(v1, state_id) if all(os.access(root, os.W_OK) for root in v1) else None
    root = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError):
        controllers = (root / "cgroup.controllers").read_text().split()
        control = root / "cgroup.subtree_control"
        if (
            {"cpu", "memory"} <= set(controllers)
            and os.geteuid() == 0
            and os.access(control, os.W_OK)
        ):
            return _V2([root], state_id)
    if shutil.which("systemd-run") and _user_manager_has_cpu():
        return _SystemdScopes(state_id)
    return None


def _user_manager_has_cpu() -> bool:
    uid = os.geteuid()
    service = Path(f"/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service")
    with contextlib.suppress(OSError):
        return "cpu" in (service / "cgroup.controllers").read_text().split()
    return False


def _systemctl(*arguments: str, check: bool = False) -> str:
    done = subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=check
    )
    return done.stdout


def _remove_group(group: Path) -> None:
    # A group whose last process has just been killed is busy for a moment longer.
    deadline = time.monotonic() + 5
    while group.exists():
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
