"""Runs nodes as containers, on whatever daemon ``docker`` itself would talk to."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from docker import DockerClient
from docker.errors import NotFound
from docker.types import Mount

from scalelab.errors import EnvironmentLacks
from scalelab.model import (
    Address,
    Budget,
    Handle,
    Image,
    Launch,
    NodeState,
    Place,
    Places,
    Topology,
)
from scalelab.protocols import Service
from scalelab.runtimes import (
    boot,
    budgets,
    container,
    container_disk,
    container_memory,
    disks,
    image_choice,
)
from scalelab.runtimes.daemon import connect, remote_host, translated
from scalelab.runtimes.labelled import Labelled, unless_gone

_NO_QUOTA = -1
"""Takes a container's CPU limit away, for a boot at full speed."""
_STOP_S = 30
"""How long a server may take to finish cleanly (a checkpoint on 20% CPU), in seconds."""


class DockerRuntime:
    """Nodes as containers on a network of their own, published on 127.0.0.1 only.

    Everything it makes is labelled ``scalelab.state`` and ``scalelab.cluster``. Containers need
    no root and no capabilities; files (and with them secrets) are put into them, never mounted,
    so that a daemon on another machine serves as well.

    Parameters
    ----------
    state_id : identifies the state folder, so that two users' clusters never meet.
    service : finds a service by name.
    images : the image the user configured, by service; "" or missing leaves the choice.
    progress : is given a line when something takes long; prints to stderr by default.
    """

    name = "docker"

    def __init__(
        self,
        state_id: str,
        service: Callable[[str], Service],
        images: Mapping[str, str],
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._mine = Labelled(state_id)
        self._service = service
        self._configured = images
        self._progress = progress or _to_stderr
        self._client: DockerClient | None = None
        self._connecting = threading.Lock()
        self._chosen: dict[str, str] = {}

    # --- can it run here -----------------------------------------------------------------------

    def check(self, topology: Topology, budget: Budget) -> None:
        """Make sure that the daemon answers and has every image; pull what is missing.

        Raises
        ------
        EnvironmentLacks : there is no daemon, its memory is too little for the nodes' own disks, or
            an image cannot be had.
        """
        self._linux_only(self._connected())
        if budget.disk is not None:
            with translated("asking how much memory the Docker host has"):
                memory = int(self._connected().info()["MemTotal"])
            disks.must_fit(budget.disk, len(topology.nodes), memory)
        for service in sorted({node.service for node in topology.nodes}):
            self._image(service)

    def usable(self, topology: Topology) -> tuple[bool, str]:
        """Whether ``check`` would succeed, and in a few words why; pulls nothing."""
        try:
            client = connect(connect_s=2, request_s=5)
        except EnvironmentLacks as lack:
            return False, lack.message
        try:
            self._linux_only(client)
            for name in sorted({node.service for node in topology.nodes}):
                image, configured = self._service(name).image, self._configured.get(name, "")
                if image_choice.present(client, image, configured):
                    continue
                if not image_choice.pullable(client, image, configured):
                    wanted = configured or image.default or f"of {name}"
                    return False, f"image {wanted} cannot be had"
        except EnvironmentLacks as lack:
            return False, lack.message
        finally:
            client.close()
        return True, "a Docker daemon answers and has the images"

    # --- up ------------------------------------------------------------------------------------

    def reserve(
        self, cluster: str, topology: Topology, budget: Budget, password: str, ports: Sequence[int]
    ) -> Places:
        """Places by node name; peers see each other by name on the cluster's network."""
        if remote := remote_host():
            tunnels = " ".join(f"-L {port}:127.0.0.1:{port}" for port in ports)
            self._progress(
                f"Docker runs on {remote}, which publishes on its own 127.0.0.1 only;"
                f" bring the ports here with: ssh -N {tunnels} {remote}"
            )
        places = {}
        # What nodes say to each other alone stays in their network: no port of this machine for it.
        for node, port in zip(topology.nodes, ports, strict=False):
            image = self._service(node.service).image
            places[node.name] = Place(
                cluster=cluster,
                node=node,
                client=Address("127.0.0.1", port),
                peer=Address(node.name, image.port),
                bind=Address("0.0.0.0", image.port),
                data_dir=image.data_dir,
                conf_dir=container.CONF_DIR,
                password=password,
                budget=budget,
                control=Address(node.name, image.control) if image.control else None,
            )
        return places

    def begin(self, cluster: str) -> None:
        """Make the cluster's network; one that is there already is kept."""
        api = self._connected().api
        with translated("making the network"):
            if api.networks(filters=self._mine.filter(cluster)):
                return
            api.create_network(
                self._mine.network(cluster),
                driver="bridge",
                check_duplicate=True,
                labels=self._mine.labels(cluster),
            )

    def start(self, place: Place, launch: Launch) -> Handle:
        """Start the node's container, making it first if there is none; a running one is kept.

        Raises
        ------
        PortTaken : another program has the node's port.
        EnvironmentLacks : Docker cannot start it for another reason.
        """
        api, name = self._connected().api, self._mine.container(place)
        with translated(f"starting {place.node.name}"):
            found = self._inspect(place)
            if place.budget.disk is not None:
                labels, image = self._mine.labels(place.cluster), self._image(place.node.service)
                container_disk.hold(api, *self._disk(place), image, labels)
            if found is None:
                self._create(place)
            if found is None or not found["State"]["Running"]:
                self.configure(place, launch)
                if found is not None and place.budget.cpus is not None:
                    api.update_container(name, cpu_quota=_NO_QUOTA)
            api.start(name)
            started = api.inspect_container(name)
        return {"id": started["Id"], "image": started["Config"]["Image"]}

    def configure(self, place: Place, launch: Launch) -> None:
        """Put a node's files into its container; a server reads them when it starts or reloads."""
        files = boot.files(launch, place, prepared=self._prepared(place))
        uid = self._service(place.node.service).image.uid
        with translated(f"configuring {place.node.name}"):
            self._connected().api.put_archive(
                self._mine.container(place), "/", container.archive(place, files, uid)
            )

    def limit(self, place: Place) -> bool:
        """Enforce the CPU budget from now on; a boot before it ran at full speed.

        The memory budget is enforced from the start.

        Returns
        -------
        False where the daemon cannot limit CPU.
        """
        if place.budget.cpus is None:
            return True
        client = self._connected()
        quota, period = budgets.quota(place.budget.cpus)
        with translated(f"limiting {place.node.name}"):
            if not client.info().get("CpuCfsQuota"):
                return False
            client.api.update_container(
                self._mine.container(place), cpu_period=period, cpu_quota=quota
            )
        return True

    # --- while it is up ------------------------------------------------------------------------

    def stop(self, place: Place, handle: Handle | None, *, kill: bool = False) -> None:
        """End the node: by its own stop signal, SIGKILL after 30 s, or SIGKILL at once."""
        api, name = self._connected().api, self._mine.container(place)
        with translated(f"stopping {place.node.name}"):
            found = self._inspect(place)
            if found is None or not found["State"]["Running"]:
                return
            if found["State"]["Paused"] and not kill:
                api.unpause(name)
            with unless_gone():
                if kill:
                    api.kill(name, signal="SIGKILL")
                    api.wait(name, timeout=_STOP_S)
                else:
                    api.stop(name, timeout=_STOP_S)

    def pause(self, place: Place, handle: Handle) -> None:
        """Freeze every process of the container; one frozen already stays so."""
        api = self._connected().api
        with translated(f"pausing {place.node.name}"), unless_gone():
            api.pause(self._mine.container(place))

    def resume(self, place: Place, handle: Handle) -> None:
        """Let a frozen container go on; harmless for any other."""
        api = self._connected().api
        with translated(f"resuming {place.node.name}"):
            found = self._inspect(place)
            if found is not None and found["State"]["Paused"]:
                with unless_gone():
                    api.unpause(self._mine.container(place))

    def fill(self, place: Place) -> None:
        """Leave no space in the node's volume in memory."""
        with translated(f"filling the disk of {place.node.name}"):
            container_disk.fill(self._connected().api, *self._disk(place))

    def free(self, place: Place) -> None:
        """Give the space back; harmless where none was taken."""
        with translated(f"freeing the disk of {place.node.name}"):
            container_disk.free(self._connected().api, *self._disk(place))

    def space(self, place: Place) -> int:
        """Bytes left in the node's volume in memory."""
        with translated(f"looking at the disk of {place.node.name}"):
            return container_disk.space(self._connected().api, *self._disk(place))

    def host_address(self, cluster: str) -> str:
        """The gateway of the cluster's network, by which containers reach this machine.

        Raises
        ------
        EnvironmentLacks : it is not this machine's address (Docker Desktop, a remote daemon).
        """
        api = self._connected().api
        with translated("looking at the network"):
            network = api.inspect_network(self._mine.network(cluster))
        address = next((c["Gateway"] for c in network["IPAM"]["Config"] if "Gateway" in c), "")
        try:
            with socket.socket() as probe:
                probe.bind((address, 0))
        except OSError:
            raise EnvironmentLacks(
                "containers cannot reach this machine: Docker runs in another one, or rootless",
                "fault the link of clients (client--NODE), or use --runtime local",
            ) from None
        return str(address)

    def state(self, place: Place, handle: Handle | None) -> NodeState:
        """What the container is doing, from the daemon's own books. Read-only."""
        with translated(f"looking at {place.node.name}"):
            found = self._inspect(place)
            if found is None:
                if handle is None:
                    return NodeState("stopped", detail="never started")
                return NodeState("exited", detail="its container is gone")
            status = found["State"]
            if status["Status"] == "created":
                return NodeState("stopped", detail=status.get("Error") or "never started")
            if not status["Running"]:
                return NodeState("exited", detail=container.ending(status, place.budget))
            return NodeState(
                "paused" if status["Paused"] else "running",
                uptime_s=max(0.0, time.time() - container.seconds(status["StartedAt"])),
            )

    def memory(self, place: Place, handle: Handle | None) -> int | None:
        """What the container's processes use."""
        with translated(f"looking at {place.node.name}"):
            found = self._inspect(place)
            if found is None or not found["State"]["Running"]:
                return None
            return container_memory.used(self._connected().api, found)

    def logs(self, place: Place, lines: int, *, follow: bool = False) -> Iterator[str]:
        """The last lines of what the server printed, then (``follow``) each new one until it ends.

        A node that never started has none.
        """
        api, name = self._connected().api, self._mine.container(place)
        with translated(f"reading the log of {place.node.name}"):
            try:
                chunks = api.logs(name, stream=True, follow=follow, tail=lines)
            except NotFound:
                return
            try:
                yield from container.lines(chunks)
            finally:
                chunks.close()

    def client(self, place: Place) -> tuple[list[str], dict[str, str]]:
        """The service's own client inside the container, run through the ``docker`` command.

        Secrets are in the environment returned, never among the arguments.

        Raises
        ------
        EnvironmentLacks : there is no ``docker`` command.
        """
        docker = shutil.which("docker")
        if docker is None:
            raise EnvironmentLacks(
                "the docker command is not installed, which opens a client in the container",
                f"install it, or give the output of: scalelab url {place.node.name}"
                " to a client of your own",
            )
        service = self._service(place.node.service)
        arguments, environment = service.client(container.inside(place, service.image))
        terminal = "-it" if sys.stdin.isatty() and sys.stdout.isatty() else "-i"
        passed = [part for name in sorted(environment) for part in ("-e", name)]
        command = [docker, "exec", terminal, *passed, self._mine.container(place), *arguments]
        return command, dict(environment)

    # --- down ----------------------------------------------------------------------------------

    def remove(self, cluster: str) -> None:
        """Remove every container, volume and network that carries the cluster's label."""
        api = self._connected().api
        with translated(f"removing {cluster}"):
            self._mine.remove(api, cluster)

    def strays(self) -> set[str]:
        """Names of the clusters of which a container, a volume or a network exists.

        Raises
        ------
        EnvironmentLacks : no daemon answers, so that nobody can tell.
        """
        api = self._connected().api
        with translated("looking for labelled containers"):
            return self._mine.clusters(api)

    def close(self) -> None:
        """Give up the connections to the daemon; the next use opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # --- talking to the daemon -----------------------------------------------------------------

    def _connected(self) -> DockerClient:
        with self._connecting:
            if self._client is None:
                self._client = connect()
            return self._client

    def _linux_only(self, client: DockerClient) -> None:
        with translated("asking what the Docker daemon runs on"):
            system = client.info().get("OSType", "linux")
        if system != "linux":
            raise EnvironmentLacks(
                f"the Docker daemon runs {system} containers", "switch it to Linux containers"
            )

    def _image(self, service: str) -> str:
        if service not in self._chosen:
            self._chosen[service] = image_choice.obtain(
                self._connected(),
                service,
                self._service(service).image,
                self._configured.get(service, ""),
                self._progress,
            )
        return self._chosen[service]

    def _create(self, place: Place) -> None:
        api = self._connected().api
        service, network = self._service(place.node.service), self._mine.network(place.cluster)
        image, name = service.image, self._image(place.node.service)
        settings = self._connected().images.get(name).attrs.get("Config") or {}
        volumes = set(settings.get("Volumes") or ())
        if place.budget.disk is not None:
            volumes.add(image.volume)
        # Without an init of Docker's: the boot script becomes the server, which as pid 1 takes
        # its own signals and reaps its children, as in the official images.
        api.create_container(
            name,
            name=self._mine.container(place),
            entrypoint=container.ENTRYPOINT,
            command=container.COMMAND,
            user=f"{image.uid}:{image.uid}",
            hostname=place.node.name,
            ports=[image.port],
            stop_signal=service.stop_signal,
            labels=self._mine.labels(place.cluster, place.node.name),
            host_config=api.create_host_config(
                network_mode=network,
                mounts=[self._volume(path, place) for path in volumes],
                **container.host_settings(place, image),
            ),
            networking_config=api.create_networking_config(
                # The SDK takes a mapping; its published types do not.
                {network: api.create_endpoint_config(aliases=[place.node.name])}  # type: ignore[arg-type]
            ),
        )

    def _volume(self, path: str, place: Place) -> Mount:
        labels, image = self._mine.labels(place.cluster), self._service(place.node.service).image
        if place.budget.disk is not None and path == image.volume:
            return container_disk.volume(*self._disk(place), labels)
        # As the image's own declaration would make it, but with our label to find it by.
        return Mount(path, None, labels=labels)

    def _disk(self, place: Place) -> tuple[str, Place, Image]:
        return self._mine.disk(place), place, self._service(place.node.service).image

    def _inspect(self, place: Place) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._connected().api.inspect_container(
                self._mine.container(place)
            )
        except NotFound:
            return None
        return found

    def _prepared(self, place: Place) -> bool:
        api, marker = self._connected().api, f"{place.conf_dir}/prepared"
        try:
            chunks, _ = api.get_archive(self._mine.container(place), marker)
        except NotFound:
            return False
        for _ in chunks:  # read to its end, so that the connection serves again
            pass
        return True


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
