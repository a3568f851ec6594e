"""Names and labels of what a cluster has on a Docker daemon, and its removal by them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from scalelab.model import Place

_REMOVE_S = 60
"""How long the daemon may take to remove a container, in seconds."""
_SETTLE_S = 0.15
"""How long after a removal a container may still appear that a killed scalelab had asked for."""


@dataclass(frozen=True)
class Labelled:
    """Everything on the daemon that belongs to one state folder.

    Parameters
    ----------
    state_id : identifies the state folder.
    """

    state_id: str

    def network(self, cluster: str) -> str:
        """The name of a cluster's network."""
        return f"scalelab-{self.state_id}-{cluster}"

    def container(self, place: Place) -> str:
        """The name of a node's container."""
        return f"{self.network(place.cluster)}-{place.node.name}"

    def disk(self, place: Place) -> str:
        """The name of a node's own disk: of the volume, and of the container that holds it."""
        return f"{self.container(place)}-disk"

    def labels(self, cluster: str, node: str = "") -> dict[str, str]:
        """The labels of what a cluster shares, or (``node``) of a node's container."""
        shared = {"scalelab.state": self.state_id, "scalelab.cluster": cluster}
        return {**shared, "scalelab.node": node} if node else shared

    def filter(self, cluster: str) -> dict[str, list[str]]:
        """What finds all of a cluster, for a listing of the API's."""
        return {"label": [f"{name}={value}" for name, value in self.labels(cluster).items()]}

    def clusters(self, api: APIClient) -> set[str]:
        """Names of the clusters of which a container, a volume or a network exists."""
        ours: dict[str, Any] = {"label": [f"scalelab.state={self.state_id}"]}
        containers, networks = api.containers(all=True, filters=ours), api.networks(filters=ours)
        found = [*containers, *_volumes(api, ours), *networks]
        return {(thing.get("Labels") or {}).get("scalelab.cluster", "") for thing in found} - {""}

    def remove(self, api: APIClient, cluster: str) -> None:
        """Remove a cluster's containers, volumes and network; nothing is not an error.

        Raises
        ------
        docker.errors.APIError : the daemon refuses for another reason than that it is gone.
        """
        self._remove_once(api, cluster)
        # A scalelab killed while it asked for something leaves a request that the daemon still
        # carries out: look again when that is through.
        time.sleep(_SETTLE_S)
        self._remove_once(api, cluster)

    def _remove_once(self, api: APIClient, cluster: str) -> None:
        which = self.filter(cluster)
        found = [thing["Id"] for thing in api.containers(all=True, filters=which)]
        if found:
            with ThreadPoolExecutor(max_workers=min(16, len(found))) as pool:
                list(pool.map(lambda each: _remove_container(api, each), found))
        for volume in _volumes(api, which):
            with unless_gone():
                api.remove_volume(volume["Name"])
        for network in api.networks(filters=which):
            _remove_network(api, network["Id"])


@contextmanager
def unless_gone() -> Iterator[None]:
    """Ignore that a container ended or vanished before it was told to."""
    try:
        yield
    except APIError as error:
        if error.status_code not in (404, 409):
            raise


def _volumes(api: APIClient, which: dict[str, Any]) -> list[dict[str, Any]]:
    # The daemon answers null, not an empty list.
    return api.volumes(filters=which).get("Volumes") or []


def _remove_network(api: APIClient, identifier: str) -> None:
    try:
        with suppress(NotFound):
            api.remove_network(identifier)
    except APIError as error:
        if error.status_code != 403:
            raise
        # Somebody hung a container of their own on it: that one is left alone, the network goes.
        for foreign in api.inspect_network(identifier).get("Containers") or {}:
            with unless_gone():
                api.disconnect_container_from_network(foreign, identifier, force=True)
        with suppress(NotFound):
            api.remove_network(identifier)


def _remove_container(api: APIClient, identifier: str) -> None:
    with unless_gone():
        api.remove_container(identifier, force=True, v=True)
    # Somebody else may be removing it, and the network can go only after it.
    deadline = time.monotonic() + _REMOVE_S
    with suppress(NotFound):
        while time.monotonic() < deadline:
            api.inspect_container(identifier)
            time.sleep(0.02)
