"""The syncer: a program of ours that keeps an Elasticsearch index as a PostgreSQL table is."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from scalelab.errors import UsageError
from scalelab.model import Address, Budget, Image, Launch, Node, Place, Places
from scalelab.protocols import Progress, Service
from scalelab.services._unwatched import unwatched

_PATIENCE_S = 3.0
_CONFIG, _PASSWORDS = "syncer.json", "passwords.json"
_ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"


class Syncer:
    """``python -m scalelab.syncing``, between the topology's PostgreSQL and Elasticsearch.

    Settings of a node: ``strategy`` (a file name of ``scalelab/syncing/strategies``), and
    ``batch`` and ``pause_s`` of ``scalelab.syncing.config.Config``.
    """

    image = Image(
        default="",
        offline="scalelab/syncer:0.1",
        uid=999,
        data_dir="/var/lib/syncer",
        volume="/var/lib/syncer",
        port=8300,
    )
    processes: tuple[str, ...] = ()  # known by its label alone: an interpreter is anybody's
    stop_signal = "SIGTERM"
    elects = False

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None: ...

    def binaries(self) -> str:
        return str(Path(sys.executable).parent)

    def version(self) -> str:
        from importlib.metadata import version

        return version("scalelab")

    def launch(self, place: Place, peers: Places) -> Launch:
        source, target = (_server(peers, kind) for kind in ("postgres", "elasticsearch"))
        settings = place.node.settings
        config = {
            "strategy": settings["strategy"],
            "postgres": {"host": source.peer.host, "port": source.peer.port, "user": "lab"},
            "elasticsearch": {"host": target.peer.host, "port": target.peer.port, "user": "lab"},
            "listen": [place.bind.host, place.bind.port],
            "passwords": _PASSWORDS,
        }
        kinds = {"batch": int, "pause_s": float}
        config |= {name: kinds[name](settings[name]) for name in kinds if name in settings}
        secrets = {"postgres": source.password, "elasticsearch": target.password}
        return Launch(
            run=("python3", "-m", "scalelab.syncing", f"{place.conf_dir}/{_CONFIG}"),
            files={_CONFIG: json.dumps(config, indent=1), _PASSWORDS: json.dumps(secrets)},
            env={"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def ready(self, place: Place, peers: Places) -> bool:
        return _follows(_ask(place, _PATIENCE_S))

    def received(self, place: Place) -> int | None:
        return None

    def promote(self, place: Place, followers: Collection[str]) -> None:
        raise UsageError("a syncer leads nobody", "scalelab status")

    def reload(self, place: Place) -> None: ...

    def crash(self, place: Place) -> None:
        raise unwatched(place)

    def health(self, node: Node) -> str:
        return f"python3 -c '{_ASK}' http://127.0.0.1:{self.image.port}/"

    def url(self, place: Place, *, secret: bool = False) -> str:
        return f"http://{place.client}/"

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        said = _ask(place, _PATIENCE_S)
        wanted = ("applied", "refused", "rejected", "lag_ms", "wal_kept_bytes", "problem")
        return {name: said[name] for name in wanted if said.get(name)}

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        # Its answers are as long as they are: what is asked is whether, and how soon, they come.
        took: list[float] = []
        for _ in range(times):
            began = time.perf_counter()
            if not _follows(_ask(place, patience_s)):
                break
            took.append(time.perf_counter() - began)
        return took

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        return None  # it follows a table, not a node of its kind

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        return None, "a syncer keeps nothing on its disk"

    def upstream(self, place: Place) -> Address | None:
        return None

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        return ("python3", "-c", _ASK, self.url(place)), {}


def _server(peers: Places, kind: str) -> Place:
    return next(place for place in peers.values() if place.node.service == kind)


def _follows(said: Mapping[str, Any]) -> bool:
    """Whether it does its work, or would: that a server it needs is down is not its fault."""
    return bool(said.get("ready") or said.get("problem"))


def _ask(place: Place, patience_s: float) -> Mapping[str, Any]:
    """What it says of itself (``scalelab.syncing.status``); empty where it does not answer."""
    asked = http.client.HTTPConnection(place.client.host, place.client.port, timeout=patience_s)
    try:
        with contextlib.closing(asked):
            asked.request("GET", "/")
            said: Mapping[str, Any] = json.loads(asked.getresponse().read())
            return said
    except (OSError, ValueError, http.client.HTTPException):
        return {}


SERVICE: Service = Syncer()
