"""Blocking SQL sessions, to set up and to inspect; the hot loop has its own (``clients/``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, LiteralString

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
    import logging

    import psycopg

    # A session that breaks raises an exception: psycopg need not log it too.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    return psycopg.connect(
        host=place.client.host,
        port=place.client.port,
        user="lab",
        password=place.password,
        dbname="lab",
        connect_timeout=patience_s,
    )


def primaries(places: Places) -> list[Place]:
    """The PostgreSQL nodes whose data are their own: a primary, or every shard.

    Where the servers choose by themselves who leads they are asked; nobody may lead just now.
    """
    return [
        place
        for place in databases(places)
        if place.node.follows is None
        and place.node.role != "router"
        and (place.node.service == "postgres" or _leads(place))
    ]


def define(places: Places, *statements: LiteralString) -> None:
    """Execute statements, in one transaction a node, where data of their own are."""
    for place in primaries(places):
        with connect(place) as connection:
            for statement in statements:
                connection.execute(statement)


def databases(places: Places) -> list[Place]:
    """The nodes that speak PostgreSQL's protocol."""
    return [place for place in places.values() if place.node.service in ("postgres", "patroni")]


def _leads(place: Place) -> bool:
    import psycopg

    try:
        with connect(place) as connection:
            return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
    except psycopg.Error:
        return False


def await_replay(places: Places) -> None:
    """Wait until every replica has applied what its primary has written so far.

    Raises
    ------
    EnvironmentLacks : one did not within a minute.
    """
    replicas = [place for place in places.values() if place.node.follows is not None]
    if not replicas:
        return
    with connect(primaries(places)[0]) as primary:
        position = primary.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    for place in replicas:
        _await_replay(place, position)


def versions(place: Place, table: str, keys: int) -> list[int]:
    """The version of every key below ``keys`` in a table of ids and versions that begin at 1."""
    found = [1] * keys
    changed = f"SELECT id, version FROM {table} WHERE version > 1 AND id < %s"
    with connect(place) as connection:
        for key, version in connection.execute(changed, (keys,)):
            found[key] = version
    return found


def _await_replay(place: Place, position: tuple[str, ...] | None) -> None:
    deadline = time.monotonic() + _REPLAY_S
    with connect(place) as connection:
        connection.autocommit = True
        behind = "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn"
        while connection.execute(behind, position).fetchone() != (False,):
            if time.monotonic() > deadline:
                raise EnvironmentLacks(
                    f"{place.node.name} did not replay the load within {_REPLAY_S:.0f} s",
                    "look at its log with: scalelab logs",
                )
            time.sleep(0.02)
