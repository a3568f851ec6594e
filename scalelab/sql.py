"""Blocking SQL sessions, to set up and to inspect; the hot loop has its own (``clients/``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalelab.model import Place, Places

if TYPE_CHECKING:
    import psycopg

_CONNECT_S = 10


def connect(place: Place, patience_s: int = _CONNECT_S) -> psycopg.Connection:
    """A session of the user ``lab`` in the database ``lab`` of a PostgreSQL node.

    Parameters
    ----------
    patience_s : whole seconds that the node has to answer in.

    Raises
    ------
    psycopg.OperationalError : the node does not answer in time, or refuses.
    """
    # Imported on use: taking a cluster down needs no client.
    import psycopg

    return psycopg.connect(
        host=place.client.host,
        port=place.client.port,
        user="lab",
        password=place.password,
        dbname="lab",
        connect_timeout=patience_s,
    )


def primaries(places: Places) -> list[Place]:
    """The PostgreSQL nodes whose data are their own: a primary, or every shard."""
    return [
        place
        for place in places.values()
        if place.node.service == "postgres"
        and place.node.follows is None
        and place.node.role != "router"
    ]
