"""Blocking SQL sessions, to set up and to inspect; the hot loop has its own (``clients/``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scalelab.errors import EnvironmentLacks
from scalelab.model import Place, Places

if TYPE_CHECKING:
    import psycopg

_CONNECT_S = 10
_REPLAY_S = 60.0


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


def await_replay(place: Place, position: str) -> None:
    """Wait until a replica has applied the log up to this position.

    Parameters
    ----------
    position : as ``pg_current_wal_lsn()`` on the primary says it.

    Raises
    ------
    EnvironmentLacks : it did not within a minute.
    """
    deadline = time.monotonic() + _REPLAY_S
    with connect(place) as connection:
        connection.autocommit = True
        behind = "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn"
        while connection.execute(behind, (position,)).fetchone() != (False,):
            if time.monotonic() > deadline:
                raise EnvironmentLacks(
                    f"{place.node.name} did not replay the load within {_REPLAY_S:.0f} s",
                    "look at its log with: scalelab logs",
                )
            time.sleep(0.02)
