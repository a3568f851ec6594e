"""Which image a service runs from: what the user wants, what is there, what can be pulled."""

from __future__ import annotations

from collections.abc import Callable

from docker import DockerClient
from docker.errors import APIError, ImageNotFound
from requests import RequestException

from scalelab.errors import EnvironmentLacks
from scalelab.model import Image
from scalelab.runtimes.daemon import translated


def present(client: DockerClient, image: Image, configured: str) -> str | None:
    """The image to use among those the daemon has already, None when it has none that serves.

    Parameters
    ----------
    configured : the image the user asked for; empty when the choice is free. Asked for, no
        other one serves.
    """
    candidates = (configured,) if configured else (image.default, image.offline)
    with translated("looking for images"):
        return next((name for name in candidates if name and _has(client, name)), None)


def obtain(
    client: DockerClient,
    service: str,
    image: Image,
    configured: str,
    progress: Callable[[str], None],
) -> str:
    """The image to use, pulled when it must be.

    Raises
    ------
    EnvironmentLacks : it is not here and cannot be pulled.
    """
    if found := present(client, image, configured):
        return found
    wanted = configured or image.default
    if not wanted:
        raise none_published(service, image)
    progress(f"pulling {wanted}")
    try:
        client.images.pull(wanted)
    except (APIError, RequestException) as error:
        raise cannot_be_had(service, image, wanted, error) from error
    return wanted


def pullable(client: DockerClient, image: Image, configured: str) -> bool:
    """Whether the daemon's registry knows the image that would be pulled; pulls nothing."""
    wanted = configured or image.default
    if not wanted:
        return False
    try:
        client.images.get_registry_data(wanted)
    except (APIError, RequestException):
        return False
    return True


def none_published(service: str, image: Image) -> EnvironmentLacks:
    """The error that says that nobody publishes such an image, and the ways there are."""
    build = f"build {image.offline} with: scalelab images build, or " if image.offline else ""
    return EnvironmentLacks(
        f"there is no image of {service} here, and nobody publishes one to rely on",
        f"{build}set SCALELAB_{service.upper()}_IMAGE to one of your own, or use --runtime local",
    )


def cannot_be_had(service: str, image: Image, wanted: str, error: Exception) -> EnvironmentLacks:
    """The error that says which image is missing, why, and the ways to another one."""
    said = str(getattr(error, "explanation", "") or error).strip().splitlines()[-1:]
    choices = f"set SCALELAB_{service.upper()}_IMAGE to another image, or use --runtime local"
    if wanted != image.offline:
        choices = f"build {image.offline} with: scalelab images build, or {choices}"
    return EnvironmentLacks(f"image {wanted} cannot be had: {''.join(said)}", choices)


def _has(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True
