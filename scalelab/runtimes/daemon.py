"""The way to the Docker daemon: where it is, how to reach it, and what its errors mean."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3
from docker import DockerClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from scalelab.errors import EnvironmentLacks, PortTaken, ScalelabError

CONNECT_S = 5
"""How long a daemon may take to answer its first question, in seconds."""
REQUEST_S = 120
"""How long it may take over any other one: a loaded laptop starts containers slowly."""

_SOCKET = "unix:///var/run/docker.sock"
_LOCAL = "use --runtime local, which needs no Docker"


def connect(*, connect_s: int = CONNECT_S, request_s: int = REQUEST_S) -> DockerClient:
    """A client of the daemon that ``docker`` itself would talk to, which answers.

    ``DOCKER_HOST`` (with ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``) wins, then
    ``DOCKER_CONTEXT``, then the current context, then the local socket.

    Parameters
    ----------
    connect_s : patience for the first answer, in seconds.
    request_s : patience for every later answer, in seconds.

    Raises
    ------
    EnvironmentLacks : no daemon answers, or it must not be used.
    """
    with translated("connecting to Docker"):
        endpoint = _endpoint()
        url = str(endpoint.get("base_url", ""))
        _knock(url or _SOCKET)
        # The SDK's own SSH needs another package; the ssh command also knows the user's settings.
        over_ssh = url.startswith("ssh://")
        client = DockerClient(
            **endpoint, version="auto", timeout=connect_s, use_ssh_client=over_ssh, max_pool_size=32
        )
        client.api.timeout = request_s
        return client


def host() -> str:
    """The daemon's address, as a URL; empty for the local socket."""
    with translated("looking for the Docker daemon"):
        return str(_endpoint().get("base_url", ""))


def remote_host() -> str:
    """The name of the machine the daemon runs on, empty when it is this one."""
    found = re.match(r"(?:tcp|https?|ssh)://(?:[^@/]*@)?(\[[^]]*\]|[^:/]+)", host())
    name = found[1] if found else ""
    return "" if name in ("localhost", "127.0.0.1", "[::1]") else name


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn every error of Docker's or of the connection's into one of ours.

    Parameters
    ----------
    doing : what is going on, as in "starting primary".
    """
    try:
        yield
    except ScalelabError:
        raise
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _translate(error, doing) from error
    except OSError as error:
        raise _unreachable(error, doing) from error


def _knock(url: str) -> None:
    # Where nobody listens the SDK drops its socket unclosed, and hides the cause in a message.
    scheme, _, path = url.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CONNECT_S)
            probe.connect("/" + path.lstrip("/"))


def _endpoint() -> dict[str, Any]:
    parameters: dict[str, Any] = dict(kwargs_from_env())
    if parameters.get("base_url"):
        return parameters
    name = os.environ.get("DOCKER_CONTEXT") or None
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # the SDK raises bare ones for a damaged context
        raise EnvironmentLacks(
            f"the Docker context cannot be read: {error}", "choose another: docker context use NAME"
        ) from error
    if context is None:
        raise EnvironmentLacks(
            f"there is no Docker context {name or 'of the current name'!r}",
            "list them with: docker context ls",
        )
    if context.Host:
        parameters["base_url"] = context.Host
    if context.TLSConfig is not None:
        parameters["tls"] = context.TLSConfig
    return parameters


def _translate(error: Exception, doing: str) -> ScalelabError:
    if not isinstance(error, APIError):
        return _unreachable(error, doing)
    said = str(error.explanation or error).strip()
    lower = said.lower()
    if "port is already allocated" in lower or "address already in use" in lower:
        found = re.search(r"(\d+\.\d+\.\d+\.\d+:\d+)", said)
        what = f"port {found[1]}" if found else "a port"
        return PortTaken(f"{what} is taken by another program", "free it, or use another name")
    if "no space left on device" in lower:
        return EnvironmentLacks(
            f"the disk of the Docker host is full ({doing})", "see: docker system df"
        )
    if "non-overlapping" in lower or "address pools have been" in lower:
        return EnvironmentLacks(
            "Docker has no free network addresses left", "remove unused ones: docker network prune"
        )
    return EnvironmentLacks(f"Docker refused, {doing}: {said}", "see the daemon's own log")


def _unreachable(error: Exception, doing: str) -> EnvironmentLacks:
    said = str(error)
    if "Permission denied" in said:
        return EnvironmentLacks(
            "you may not use the Docker daemon", f"join the group docker, or {_LOCAL}"
        )
    if isinstance(error, requests.Timeout) or "timed out" in said.lower():
        return EnvironmentLacks(f"the Docker daemon does not answer in time, {doing}", _LOCAL)
    address = os.environ.get("DOCKER_HOST", "")
    where = f" at {address}" if address else ""
    return EnvironmentLacks(f"no Docker daemon answers{where}", f"start one (dockerd), or {_LOCAL}")
