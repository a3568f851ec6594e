"""Links of a cluster that go through a relay: what they are called, and the relays' processes.

A relay lives in ``<state>/links/<cluster>/<folder>`` (``settings.json``, ``revision``, ``log``) and
is found again by that folder, whatever the ledger says.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from scalelab import relay
from scalelab.errors import EnvironmentLacks, UnknownName, UsageError
from scalelab.model import CLIENT, Places, Route
from scalelab.runtimes import processes

_PATIENCE_S = 20.0
_BETWEEN = "--"


def names(places: Places) -> list[str]:
    """Every link of a cluster, named from the end that connects (a follower, a client)."""
    followers = [place.node for place in places.values() if place.node.follows]
    return [
        *(f"{node.name}{_BETWEEN}{node.follows}" for node in followers),
        *(f"{CLIENT}{_BETWEEN}{name}" for name in places),
    ]


def ends(link: str) -> tuple[str, str]:
    """The two ends of a link, as named."""
    first, _, second = link.partition(_BETWEEN)
    return first, second


def find(target: str, cluster: str, places: Places) -> str:
    """The link that a user means by ``target``: "replica1--primary" either way round, or a node.

    Returns
    -------
    Its name, the end that connects first. A node alone means the way of its clients to it.

    Raises
    ------
    UnknownName, UsageError : there is no such node, or nothing goes between the two.
    """
    known = names(places)
    if _BETWEEN not in target:
        if target not in places:
            raise UnknownName(f"node of {cluster}", target, places)
        return f"{CLIENT}{_BETWEEN}{target}"
    first, second = ends(target)
    for link in (target, f"{second}{_BETWEEN}{first}"):
        if link in known:
            return link
    for end in (first, second):
        if end not in (*places, CLIENT):
            raise UnknownName(f"node of {cluster}", end, [*places, CLIENT])
    raise UsageError(f"there is no link {target!r} in {cluster}", f"links: {', '.join(known)}")


class Relays:
    """The relay processes of one state folder.

    Parameters
    ----------
    folder : the state folder.
    """

    def __init__(self, folder: Path) -> None:
        # Resolved: a process is found by the folder it works in, as the kernel names it.
        self._links = folder.resolve() / "links"
        self._children: list[subprocess.Popen[bytes]] = []

    def hold(self, cluster: str, route: Route, impairments: Sequence[Mapping[str, Any]]) -> Route:
        """Make a link's relay hold to these impairments, starting it where it does not run.

        Returns
        -------
        The route with the relay's process; it has taken the impairments up.

        Raises
        ------
        EnvironmentLacks : it does not start, or does not answer.
        """
        if processes.alive(route.pid, route.started):
            with contextlib.suppress(FileNotFoundError):  # it is just ending
                self._tell(cluster, route, impairments)
                return route
        # Of a scalelab that was killed before it could write the process down.
        self._hunt(self._folder(cluster, route))
        return self._start(cluster, route, impairments)

    def release(self, cluster: str, route: Route) -> None:
        """Have a relay take no new connection and end with its last one; none is not an error."""
        if processes.alive(route.pid, route.started):
            with contextlib.suppress(FileNotFoundError):  # it is ending already
                self._tell(cluster, route, (), closing=True)
        else:
            self._remove(self._folder(cluster, route))

    def sever(self, cluster: str, route: Route) -> None:
        """End a relay at once, with its connections and all it holds; ``hold`` starts another."""
        self._hunt(self._folder(cluster, route))

    def remove(self, cluster: str) -> None:
        """End every relay of a cluster at once; none is not an error."""
        self._remove(self._links / cluster)

    def strays(self) -> set[str]:
        """Names of the clusters that have a relay's folder."""
        return {folder.name for folder in self._links.glob("*/")}

    def _folder(self, cluster: str, route: Route) -> Path:
        return self._links / cluster / route.folder

    def _start(self, cluster: str, route: Route, impairments: Sequence[Mapping[str, Any]]) -> Route:
        folder = self._folder(cluster, route)
        for each in (self._links, folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        revision = self._write(folder, route, impairments)
        # Isolated and by its file name: neither the user's environment nor a module of theirs
        # that lies about can get in.
        command = [sys.executable, "-I", relay.__file__, str(folder)]
        with (folder / "log").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, processes.LABEL: str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it outlives this command, and its Ctrl-C
            )
        self._children.append(child)
        route = replace(route, pid=child.pid, started=processes.started(child.pid))
        self._wait(folder, route, revision)
        return route

    def _tell(
        self,
        cluster: str,
        route: Route,
        impairments: Sequence[Mapping[str, Any]],
        *,
        closing: bool = False,
    ) -> None:
        folder = self._folder(cluster, route)
        revision = self._write(folder, route, impairments, closing=closing)
        if process := processes.alive(route.pid, route.started):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGHUP)
        self._wait(folder, route, revision, closing=closing)

    @staticmethod
    def _write(
        folder: Path,
        route: Route,
        impairments: Sequence[Mapping[str, Any]],
        *,
        closing: bool = False,
    ) -> str:
        revision = str(time.time_ns())
        settings = {
            "listen": [route.listen.host, route.listen.port],
            "target": [route.target.host, route.target.port],
            "revision": revision,
            "impairments": list(impairments),
            "closing": closing,
        }
        fresh = folder / "settings.new"
        fresh.write_text(json.dumps(settings), encoding="utf-8")
        fresh.replace(folder / "settings.json")
        return revision

    def _wait(self, folder: Path, route: Route, revision: str, *, closing: bool = False) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while _read(folder / "revision") != revision:
            self._reap()
            gone = processes.alive(route.pid, route.started) is None
            if gone and closing:
                return  # it had no connection left
            if gone or time.monotonic() > deadline:
                said = _read(folder / "log").splitlines()[-1:]
                raise EnvironmentLacks(
                    f"the relay of {route.link} does not work on {route.listen}",
                    "heal the fault and inject it again: scalelab fault heal --all",
                    said,
                )
            time.sleep(0.005)

    def _remove(self, folder: Path) -> None:
        if folder.is_dir():
            self._hunt(folder)
            shutil.rmtree(folder, ignore_errors=True)  # an ending relay removes its own as well
        self._reap()
        for parent in (folder.parent, self._links):
            with contextlib.suppress(OSError):
                parent.rmdir()  # others may still be in it

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _hunt(self, folder: Path) -> None:
        nobody: Collection[str] = ()
        try:
            processes.end_all(lambda: processes.working_in(folder, nobody))
        except TimeoutError as error:
            raise EnvironmentLacks(str(error), "end them by hand, then run it again") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
