"""TCP ports for clusters: below the ephemeral range, free now, and nobody's by the ledger."""

from __future__ import annotations

import socket
from collections.abc import Collection
from pathlib import Path

from scalelab.errors import EnvironmentLacks

_FIRST, _LAST = 20_000, 32_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def reserve(count: int, taken: Collection[int], seed: str) -> list[int]:
    """Choose ports that nothing uses.

    Outside the ephemeral range no client's outgoing connection can ever sit on one of them while
    its node is stopped.

    Parameters
    ----------
    count : how many.
    taken : ports already given to clusters.
    seed : where in the range to begin (two users then begin apart), hexadecimal digits.

    Raises
    ------
    EnvironmentLacks : the range has not that many free.
    """
    candidates = _range()
    start = int(seed, 16) % len(candidates)
    found: list[int] = []
    for index in range(len(candidates)):
        port = candidates[(start + index) % len(candidates)]
        if port not in taken and is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise EnvironmentLacks(
        f"there are no {count} free ports from {candidates[0]} to {candidates[-1]}",
        "take clusters down that are not needed: scalelab status",
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _range() -> range:
    try:
        low, high = (int(word) for word in _EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        return range(_FIRST, _LAST)  # elsewhere the ephemeral range begins at 32768 or later
    if low > _FIRST + 1_000:
        return range(_FIRST, min(_LAST, low))
    return range(min(high + 1, 60_000), 65_000)
