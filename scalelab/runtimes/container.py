"""What a node's container is made of, and how to read what Docker says of it. Pure."""

from __future__ import annotations

import io
import signal
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from scalelab.model import Address, Budget, Image, Place

CONF_DIR = "/scalelab"
"""Where the launch files are, as the server sees it."""
ENTRYPOINT, COMMAND = ["sh"], [f"{CONF_DIR}/boot.sh"]
"""What a container runs in place of what its image would: the script becomes the server."""

_SHM_BYTES = 256 * 1024**2


def host_settings(place: Place, image: Image) -> dict[str, Any]:
    """Limits, published port and hardening, for the SDK's ``create_host_config``.

    CPU is not limited here: a boot before ``limit`` runs at full speed.
    """
    memory = place.budget.memory
    return {
        "port_bindings": {image.port: (place.client.host, place.client.port)},
        # The same figure for memory and swap together means no swap.
        "mem_limit": place.budget.held,
        "memswap_limit": place.budget.held,
        # Whatever the budget counts may be shared memory: no second, smaller limit.
        "shm_size": memory or _SHM_BYTES,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        # A log that stays readable and small, whatever the daemon does by default.
        "log_config": {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}},
    }


def archive(place: Place, files: Mapping[str, str], uid: int) -> bytes:
    """A tar of a node's files, to unpack in ``/``.

    Parameters
    ----------
    uid : the user who owns them and alone may read them.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo(place.conf_dir.strip("/"))
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, uid, uid
        tar.addfile(folder)
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"{folder.name}/{name}")
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, uid, uid
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def inside(place: Place, image: Image) -> Place:
    """The place as a client in the node's own container sees it."""
    return replace(place, client=Address("127.0.0.1", image.port))


def ending(state: Mapping[str, Any], budget: Budget) -> str:
    """Why a container ended, in a few words, from the ``State`` of an inspection."""
    code = int(state.get("ExitCode", 0))
    if state.get("OOMKilled"):
        limit = f" ({budget.memory // 1024**2} MB)" if budget.memory else ""
        return f"killed for using more than its memory{limit}"
    if state.get("Error"):
        return str(state["Error"])
    if code > 128:
        try:
            return f"exit code {code} ({signal.Signals(code - 128).name})"
        except ValueError:
            pass
    return f"exit code {code}"


def seconds(stamp: str) -> float:
    """Docker's time stamp (RFC 3339, nanoseconds) as seconds since the epoch."""
    whole, _, rest = stamp.removesuffix("Z").partition(".")
    fraction = float(f"0.{rest}") if rest.isdigit() else 0.0
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + fraction


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines from a log that arrives in pieces."""
    pending = b""
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
    if pending:
        yield pending.decode(errors="replace")
