"""Elasticsearch: one node, or a cluster that elects its master."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scalelab import elastic
from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.model import Address, Budget, Image, Launch, Node, Place, Places
from scalelab.protocols import Progress, Service
from scalelab.services import _elasticsearch_files
from scalelab.services._unwatched import unwatched

_MIB = 1024**2
_HEAP_SHARE = 0.4
"""Of a node's memory: Java and Lucene's own files want the rest."""
_BESIDE_MIB = 350
"""What a server uses beside its heap, at least."""

# The server's own script finds no Java by itself: it takes the one it came with, or ES_JAVA_HOME.
# Of what a full distribution has and a reduced one has not, what would call home is turned off, and
# where the kernel gives a process few mappings (vm.max_map_count) files are read without.
_RUN = """\
home=$(dirname "$(dirname "$(readlink -f "$(command -v elasticsearch)")")")
if [ -x "$home/jdk/bin/java" ]; then
  unset ES_JAVA_HOME
else
  ES_JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
  export ES_JAVA_HOME
fi
[ -f "$ES_PATH_CONF/jvm.options" ] || cp "$home/config/jvm.options" "$ES_PATH_CONF/"
mkdir -p "$ES_TMPDIR"
set --
[ ! -d "$home/modules/ingest-geoip" ] || set -- "$@" -Eingest.geoip.downloader.enabled=false
[ ! -d "$home/modules/x-pack-ml" ] || set -- "$@" -Expack.ml.enabled=false
mappings=$(cat /proc/sys/vm/max_map_count 2> /dev/null || echo 262144)
[ "$mappings" -ge 262144 ] || set -- "$@" -Enode.store.allow_mmap=false
exec elasticsearch "$@"
"""

_HEALTH = r"""exec 3<> /dev/tcp/127.0.0.1/9200
login=$(printf 'lab:%s' "$SCALELAB_PASSWORD" | base64 -w0)
printf 'GET /_cluster/health HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$login" >&3
head -n 1 <&3 | grep -q ' 200 '"""


class Elasticsearch:
    """Elasticsearch 8.19 with its own defaults for durability (a request is synced to disk).

    Settings of a node: any setting of ``elasticsearch.yml`` by its own name.
    """

    image = Image(
        default="elasticsearch:8.19.21",
        offline="scalelab/elasticsearch:8.19",
        uid=1000,
        data_dir="/usr/share/elasticsearch/data",
        volume="/usr/share/elasticsearch/data",
        port=9200,
        control=9300,
    )
    processes: tuple[str, ...] = ("java",)
    stop_signal = "SIGTERM"
    elects = True

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None:
        from scalelab.services import _elasticsearch_home

        _elasticsearch_home.fetch(progress)
        _must_fit(nodes, budget)

    def binaries(self) -> str:
        from scalelab.services import _elasticsearch_home

        home = _elasticsearch_home.find()
        return f"{home.folder / 'bin'}{os.pathsep}{home.java / 'bin'}"

    def version(self) -> str:
        from scalelab.services import _elasticsearch_home

        home = _elasticsearch_home.find()
        return f"{home.version}, reduced" if home.reduced else home.version

    def launch(self, place: Place, peers: Places) -> Launch:
        heap = _heap_mib(place.budget)
        options = (
            f"-Xms{heap}m",
            f"-Xmx{heap}m",
            # A dump of the heap would fill the disk of a laptop; so would the collector's log.
            "-XX:-HeapDumpOnOutOfMemoryError",
            "-Xlog:disable",
            "-Xlog:all=warning:stderr:utctime,level,tags",
            # Kept in an index of its own, which a reduced server cannot make, and says so for long.
            "-Des.queryable_built_in_roles_enabled=false",
        )
        return Launch(
            run=("sh", "-c", _RUN),
            files=_elasticsearch_files.files(place, elastic.nodes(peers)),
            env={
                "ES_PATH_CONF": place.conf_dir,
                "ES_TMPDIR": f"{place.conf_dir}/tmp",
                "ES_JAVA_OPTS": " ".join(options),
                # The launcher only waits for the server.
                "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
            },
        )

    def ready(self, place: Place, peers: Places) -> bool:
        health = _asked(place, "GET", "/_cluster/health?timeout=1s", patience_s=3)
        if health is None:
            return False
        # A red one may wait for a node that is gone; one that still recovers will not be for long.
        busy = health["initializing_shards"] or health["number_of_pending_tasks"]
        return health["status"] != "red" or not busy

    def received(self, place: Place) -> int | None:
        return None  # the servers decide who leads

    def promote(self, place: Place, followers: Collection[str]) -> None:
        raise UsageError("the servers choose by themselves who leads", "scalelab status")

    def reload(self, place: Place) -> None: ...

    def crash(self, place: Place) -> None:
        raise unwatched(place)

    def health(self, node: Node) -> str:
        # By the shell alone: not every image has a client. The password is no argument of anybody.
        return f"bash -c {shlex.quote(_HEALTH)}"

    def url(self, place: Place, *, secret: bool = False) -> str:
        user = f"lab:{place.password}" if secret else "lab"
        return f"http://{user}@{place.client}"

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        alone = len(elastic.nodes(peers)) == 1
        health = _asked(place, "GET", "/_cluster/health?timeout=1s", patience_s=3)
        if health is None:
            return {}
        facts: dict[str, str | int | float] = {"health": str(health["status"])}
        if alone:
            return facts
        path = "/_cat/master?format=json&h=node"
        master = _asked(place, "GET", path, patience_s=3) or [{}]
        leads = master[0].get("node") == place.node.name
        return {**facts, "role": "master" if leads else place.node.role}

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        took: list[float] = []
        question = {"analyzer": "keyword", "text": "x" * size}
        with contextlib.closing(elastic.connect(place, patience_s)) as client:
            # Connecting and the first look at the password are not part of it.
            _ask(client, "POST", "/_analyze", {"analyzer": "keyword", "text": "x"})
            for _ in range(times):
                began = time.perf_counter()
                if _ask(client, "POST", "/_analyze", question) is None:
                    break
                took.append(time.perf_counter() - began)
        return took

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        return None  # its nodes follow none but the master they have chosen

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        # An index nobody searches: what is refused is its shard, or the record that there is one.
        path, began = "/scalelab-spill", time.perf_counter()
        _asked(place, "DELETE", path, patience_s=patience_s)
        body = {"settings": {"number_of_replicas": 0}}
        made = _asked(place, "PUT", path, body, patience_s=patience_s)
        took = time.perf_counter() - began
        _asked(place, "DELETE", path, patience_s=patience_s)
        if made is None:
            answers = elastic.answers(place)
            return None, "an index cannot be made" if answers else ""
        return took, ""

    def upstream(self, place: Place) -> Address | None:
        return None

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        raise UsageError(
            "Elasticsearch has no client of its own but HTTP",
            "scalelab search repl, or scalelab search rest GET _cat/indices",
        )


def _heap_mib(budget: Budget) -> int:
    memory = budget.memory or 2560 * _MIB
    return max(128, int(memory * _HEAP_SHARE) // _MIB)


def _must_fit(nodes: int, budget: Budget) -> None:
    """Raise EnvironmentLacks where the machine's memory, or a node's, is too little."""
    import psutil

    heap = _heap_mib(budget)
    if budget.memory is not None and budget.memory < 640 * _MIB:
        raise EnvironmentLacks(
            f"{budget.memory // _MIB} MB are too little for an Elasticsearch node",
            "give it more: --memory 1G",
        )
    need, free = nodes * (heap + _BESIDE_MIB), psutil.virtual_memory().available // _MIB
    if need > free:
        raise EnvironmentLacks(
            f"{nodes} Elasticsearch nodes need about {need} MB, and {free} MB of memory are free",
            "end other programs, or give each less: --memory 700M",
        )


def _asked(
    place: Place,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    patience_s: float,
) -> Any:
    with contextlib.closing(elastic.connect(place, patience_s)) as client:
        return _ask(client, method, path, body)


def _ask(client: Any, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What a node answers; None where it does not, or refuses."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    headers = {"accept": "application/json", "content-type": "application/json"}
    try:
        return client.perform_request(method, path, body=body, headers=headers).body
    except (ApiError, TransportError):
        return None


SERVICE: Service = Elasticsearch()
