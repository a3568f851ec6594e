"""The ledger: what scalelab has made, written down before it is made.

One JSON file a cluster, ``<state>/clusters/<name>.json``, changed only under a lock and replaced
in one step, so that a reader sees either the old or the new.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from scalelab.errors import Busy, EnvironmentLacks, ScalelabError
from scalelab.model import ActiveFault, Address, Budget, Cluster, Node, Place, Route, Topology

_VERSION = 1
_LOCK_PATIENCE_S = 30
_ACT_PATIENCE_S = 180


class Damaged(ScalelabError):
    """A ledger file that cannot be read as one."""


class Ledger:
    """The clusters of one state folder.

    Parameters
    ----------
    folder : the state folder; made, for its owner alone, when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._entries = self.folder / "clusters"
        # The label of everything made from here: two users or two folders never meet.
        identity = f"{os.geteuid()}:{self.folder.resolve()}"
        self.state_id = hashlib.sha256(identity.encode()).hexdigest()[:10]

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the ledger: read, decide and write as one act. Short, never while waiting.

        Raises
        ------
        EnvironmentLacks : the folder cannot be written, or another process holds on to the lock.
        """
        with self._translated():
            for folder in (self.folder, self._entries):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = filelock.FileLock(self.folder / "lock", timeout=_LOCK_PATIENCE_S, mode=0o600)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise EnvironmentLacks(
                    f"another process holds the lock {self.folder / 'lock'}",
                    "wait for it or end it, then run this again",
                ) from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def acting(self, patience_s: float = _ACT_PATIENCE_S) -> Iterator[None]:
        """Be the only one that stops and starts nodes or changes links, for as long as it takes.

        Apart from a cluster's owner: a fault may come over a cluster that a run is using. The
        kernel gives the lock back when its holder is killed. Take it before :meth:`lock`.

        Raises
        ------
        Busy : another process has been at it for longer than ``patience_s`` seconds.
        """
        with self._translated():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = filelock.FileLock(self.folder / "acting", timeout=patience_s, mode=0o600)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise Busy(
                    "another scalelab is stopping or starting nodes, or is at a fault",
                    "wait until it is done, or end it",
                ) from None
        try:
            yield
        finally:
            lock.release()

    def change(self, name: str, how: Callable[[Cluster], Cluster]) -> Cluster:
        """Read an entry, change it and write it, as one act; takes the lock itself.

        Raises
        ------
        ScalelabError : there is no such entry any more.
        """
        with self.lock():
            cluster = self.read(name)
            if cluster is None:
                raise ScalelabError(f"the ledger lost {name!r}", "run: scalelab down --all")
            changed = how(cluster)
            self.write(changed)
            return changed

    def names(self) -> list[str]:
        """The names of all entries, damaged ones included, oldest name order."""
        return sorted(path.stem for path in self._entries.glob("*.json"))

    def read(self, name: str) -> Cluster | None:
        """The entry of this name, None if there is none.

        Raises
        ------
        Damaged : there is a file, but it is not a ledger entry.
        """
        path = self._path(name)
        try:
            return _decode(json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Damaged(
                f"the ledger file {path} is damaged",
                "'scalelab down --all' moves it aside and removes what it was about",
            ) from None

    def clusters(self) -> tuple[list[Cluster], list[Damaged]]:
        """Every readable entry, and an error for each that is not."""
        found, damaged = [], []
        for name in self.names():
            try:
                if cluster := self.read(name):
                    found.append(cluster)
            except Damaged as error:
                damaged.append(error)
        return found, damaged

    def write(self, cluster: Cluster) -> None:
        """Replace the entry, on disk before this returns. Call under the lock."""
        path = self._path(cluster.name)
        fresh = path.with_suffix(".new")
        with self._translated():
            with open(fresh, "w", opener=_private, encoding="utf-8") as file:
                json.dump(_encode(cluster), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)

    def forget(self, name: str) -> None:
        """Remove the entry. Call under the lock."""
        with self._translated():
            self._path(name).unlink(missing_ok=True)

    def move_aside(self, name: str) -> Path:
        """Put a damaged file where it no longer counts, and say where. Call under the lock."""
        target = self.folder / "damaged" / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}.json"
        with self._translated():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            self._path(name).replace(target)
        return target

    def _path(self, name: str) -> Path:
        return self._entries / f"{name}.json"

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise EnvironmentLacks(
                f"the state folder {self.folder} cannot be written: {error.strerror}",
                "free some disk space"
                if full
                else "make it writable, or name another with SCALELAB_STATE",
            ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _encode(cluster: Cluster) -> dict[str, Any]:
    data = dataclasses.asdict(cluster)
    return (
        {"schema": "scalelab.cluster", "version": _VERSION}
        | data
        | {"stopped": sorted(cluster.stopped)}
    )


def _decode(data: dict[str, Any]) -> Cluster:
    if data["schema"] != "scalelab.cluster" or data["version"] != _VERSION:
        raise ValueError("not an entry of this version")
    fields = {key: value for key, value in data.items() if key not in ("schema", "version")}
    return Cluster(
        **fields
        | {
            "topology": _topology(data["topology"]),
            "places": {name: _place(place) for name, place in data["places"].items()},
            "budget": Budget(**data["budget"]),
            "owner": tuple(data["owner"]) if data["owner"] else None,
            "stopped": frozenset(data["stopped"]),
            # Entries from before there were faults have none.
            "faults": tuple(_fault(fault) for fault in data.get("faults", ())),
            "routes": tuple(_route(route) for route in data.get("routes", ())),
        }
    )


def _fault(data: dict[str, Any]) -> ActiveFault:
    return ActiveFault(**data | {"owner": tuple(data["owner"]) if data["owner"] else None})


def _route(data: dict[str, Any]) -> Route:
    return Route(**data | {name: Address(**data[name]) for name in ("listen", "target")})


def _topology(data: dict[str, Any]) -> Topology:
    return Topology(**data | {"nodes": tuple(map(_node, data["nodes"]))})


def _node(data: dict[str, Any]) -> Node:
    # Entries from before nodes needed others have none.
    return Node(**data | {"needs": tuple(data.get("needs", ()))})


def _place(data: dict[str, Any]) -> Place:
    return Place(
        **data
        | {name: Address(**data[name]) for name in ("client", "peer", "bind")}
        | {"node": _node(data["node"]), "budget": Budget(**data["budget"])}
        | {"control": Address(**data["control"]) if data.get("control") else None}
    )
