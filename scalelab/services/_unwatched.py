"""Servers that nothing on their node watches over."""

from __future__ import annotations

from scalelab.errors import UsageError
from scalelab.model import Place


def unwatched(place: Place) -> UsageError:
    """What to raise when such a server is to crash: it would be as if it were killed."""
    return UsageError(
        f"nothing watches over the server of {place.node.name}: there is nothing to be seen",
        f"end it all the same: scalelab fault kill {place.node.name}",
    )
