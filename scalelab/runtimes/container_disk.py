"""A node's own disk under Docker: a volume in memory (tmpfs), and the container that holds it.

Such a volume is empty again once no container uses it. So one that does nothing else keeps it while
the node's own container ends and starts; from there it is filled, and looked at, as well.
"""

from __future__ import annotations

from docker import APIClient
from docker.errors import NotFound
from docker.types import DriverConfig, Mount

from scalelab.errors import EnvironmentLacks
from scalelab.model import Image, Place
from scalelab.runtimes import disks
from scalelab.runtimes.labelled import unless_gone

_BLOCK = 64 * 1024
_FILL = 'dd if=/dev/zero of="$0" bs="$1" count="$2" 2> /dev/null || :'  # until there is no space


def volume(name: str, place: Place, image: Image, labels: dict[str, str]) -> Mount:
    """The volume, made when a container with it is; ``name`` is that of its holder too."""
    options = f"size={place.budget.disk},mode=0700,uid={image.uid},gid={image.uid}"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(image.volume, name, no_copy=True, labels=labels, driver_config=driver)


def hold(
    api: APIClient, name: str, place: Place, image: Image, wanted: str, labels: dict[str, str]
) -> None:
    """Make the volume and the container that holds it; one that runs is kept.

    Parameters
    ----------
    wanted : the name of the image to run.

    Raises
    ------
    EnvironmentLacks : it had been, and ended with all that was on the disk.
    """
    try:
        status = api.inspect_container(name)["State"]["Status"]
    except NotFound:
        status = "created"
        api.create_container(
            wanted,
            name=name,
            entrypoint=["sh", "-c"],
            command=["exec tail -f /dev/null"],
            user=f"{image.uid}:{image.uid}",
            labels=labels,
            host_config=api.create_host_config(
                network_mode="none",
                mounts=[volume(name, place, image, labels)],
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
            ),
        )
    if status not in ("created", "running"):
        raise disks.gone(place)
    api.start(name)


def fill(api: APIClient, name: str, place: Place, image: Image) -> None:
    """Leave no space; the size of the disk at the most, whatever is mounted there."""
    blocks = -(-(place.budget.disk or 0) // _BLOCK)
    _run(api, name, "sh", "-c", _FILL, _filler(image), str(_BLOCK), str(blocks))


def free(api: APIClient, name: str, place: Place, image: Image) -> None:
    """Give back what ``fill`` took."""
    with unless_gone():
        _run(api, name, "rm", "-f", _filler(image))


def space(api: APIClient, name: str, place: Place, image: Image) -> int:
    """Bytes left."""
    row = _run(api, name, "df", "-Pk", image.volume).splitlines()[-1]
    return 1024 * int(row.split()[3])


def _filler(image: Image) -> str:
    return f"{image.volume}/filler"


def _run(api: APIClient, name: str, *command: str) -> str:
    started = api.exec_create(name, list(command))["Id"]
    said = bytes(api.exec_start(started)).decode(errors="replace")
    if code := api.exec_inspect(started)["ExitCode"]:
        raise EnvironmentLacks(f"{command[0]} on a node's disk failed ({code}): {said.strip()}")
    return said
