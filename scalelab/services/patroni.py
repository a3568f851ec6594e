"""PostgreSQL under Patroni: servers that decide among themselves who leads, and fail over."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scalelab import sql
from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.model import Image, Launch, Place, Places
from scalelab.protocols import Service
from scalelab.services import _etcd_gateway as gateway
from scalelab.services import postgres

_RECOVERS = "SELECT pg_is_in_recovery()"
_STANDBY = """
SELECT state, greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint,
       EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))
FROM pg_stat_replication WHERE application_name = %s
"""
_AGE = "SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float"

# What all members agree on. The time a leader's lease lasts (ttl) is the shortest that Patroni
# takes: who is gone with his Patroni is replaced once it is over. A server that crashed is
# replaced at once rather than started again.
_AGREED = {"ttl": 20, "loop_wait": 1, "retry_timeout": 9, "primary_start_timeout": 0}
# Of the server's parameters, those that Patroni takes from there alone.
_SHARED = ("max_connections", "max_wal_senders", "max_replication_slots", "wal_log_hints")
_THEIRS = ("listen_addresses", "port", "hba_file", "cluster_name")


class Patroni(postgres.Postgres):
    """PostgreSQL 18 under Patroni 4, with PostgreSQL's own defaults for durability.

    Settings of a node: any of Patroni's dynamic settings by its own name; those of the node that
    is first hold for all.
    """

    image = Image(
        default="",
        offline="scalelab/patroni:4",
        uid=999,
        data_dir="/var/lib/postgresql/18/docker",
        volume="/var/lib/postgresql",
        port=5432,
        control=8008,
    )
    stop_signal = "SIGTERM"
    elects = True

    def binaries(self) -> str:
        # Beside the interpreter, where pip puts it, whether that folder is in PATH or not.
        script = Path(sys.executable).with_name("patroni")
        if find_spec("patroni") is None or find_spec("etcd") is None or not script.exists():
            raise EnvironmentLacks(
                "Patroni is not installed", "install it with: pip install 'scalelab[ha]'"
            )
        return f"{super().binaries()}{os.pathsep}{script.parent}"

    def version(self) -> str:
        return f"{version('patroni')} with PostgreSQL {super().version()}"

    def launch(self, place: Place, peers: Places) -> Launch:
        conf = place.conf_dir
        return Launch(
            run=("patroni", f"{conf}/patroni.json"),
            files={"patroni.json": json.dumps(self._configuration(place, peers), indent=1)},
            # The password of a new server is a file in it for a moment.
            env={"LC_ALL": "C.UTF-8", "TMPDIR": conf},
            stale=(f"{place.data_dir}/postmaster.pid",),
        )

    def _configuration(self, place: Place, peers: Places) -> dict[str, Any]:
        assert place.control is not None
        known = self._settings(place, peers)
        shared = {name: known[name] for name in _SHARED}
        elsewhere = (*_SHARED, *_THEIRS, *place.node.settings)
        local = {name: value for name, value in known.items() if name not in elsewhere}
        lab = {"username": "lab", "password": place.password}
        stores = [str(each.peer) for each in peers.values() if each.node.service == "etcd"]
        return {
            "scope": place.cluster,
            "name": place.node.name,
            "restapi": {
                "listen": f"{place.bind.host}:{place.control.port}",
                "connect_address": str(place.control),
                "authentication": lab,
            },
            "etcd3": {"hosts": stores, "username": "root", "password": place.password},
            "watchdog": {"mode": "off"},
            "bootstrap": {
                "dcs": {
                    **_AGREED,
                    **place.node.settings,
                    "postgresql": {"use_pg_rewind": True, "parameters": shared},
                },
                "initdb": [
                    {"locale": "C"},
                    {"locale-provider": "builtin"},
                    {"builtin-locale": "C.UTF-8"},
                    {"encoding": "UTF8"},
                    {"auth": "scram-sha-256"},
                ],
                "post_bootstrap": "psql -X -q -c 'CREATE DATABASE lab'",
            },
            "postgresql": {
                "listen": str(place.bind),
                "connect_address": str(place.peer),
                "data_dir": place.data_dir,
                "pgpass": f"{place.conf_dir}/pgpass",
                "authentication": {
                    "superuser": lab,
                    "replication": {"username": "replicator", "password": place.password},
                },
                "parameters": local,
                "pg_hba": [line for line in postgres.HBA.splitlines() if line[0] != "#"],
                # Without it the copy would wait for the next checkpoint, minutes away.
                "basebackup": [{"checkpoint": "fast"}],
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        }

    def ready(self, place: Place, peers: Places) -> bool:
        facts = self.inspect(place, peers)
        if facts.get("role") == "primary":
            # A new server takes writes before its Patroni is done with it and leads.
            return _stored("leader", place, peers) == place.node.name.encode()
        return facts.get("replication") == "streaming"

    def received(self, place: Place) -> int | None:
        return None  # who may lead is not for us to decide

    def promote(self, place: Place, followers: Collection[str]) -> None:
        raise UsageError("the servers choose by themselves who leads", "scalelab status")

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        import psycopg

        try:
            with sql.connect(place) as connection:
                if connection.execute(_RECOVERS).fetchone() == (False,):
                    return {"role": "primary"}
                row = connection.execute(_AGE).fetchone()
        except psycopg.Error:
            return {}
        return {"role": "replica", **_behind(place, peers, row[0] if row else 0.0)}


def _behind(place: Place, peers: Places, age_s: float) -> Mapping[str, str | int | float]:
    """What the node that leads says of a replica; it is looked for, and there may be none."""
    import psycopg

    for leader in sql.primaries({n: p for n, p in peers.items() if p != place}):
        try:
            with sql.connect(leader) as connection:
                row = connection.execute(_STANDBY, (place.node.name,)).fetchone()
        except psycopg.Error:
            continue
        if row is not None:
            behind: dict[str, str | int | float] = {
                "follows": leader.node.name,
                "replication": row[0],
                "lag_bytes": row[1],
                "lag_ms": round(1000 * age_s, 1) if row[1] else 0.0,
            }
            if place.node.settings.get("synchronous_mode", "off") != "off":
                synchronous = _synchronous(leader, peers) if row[2] else []
                behind["synchronous"] = place.node.name in synchronous
                if not synchronous:
                    behind["replication"] = "not synchronous yet"
            return behind
    return {"replication": "disconnected"}


def _synchronous(leader: Place, peers: Places) -> list[str]:
    """The replicas that commits wait for, as the store says: no other may take over.

    The leader waits for one for seconds before it writes that into the store.
    """
    said = json.loads(_stored("sync", leader, peers) or b"{}")
    if said.get("leader") != leader.node.name:
        return []  # still what a former leader wrote
    return [name for name in (said.get("sync_standby") or "").split(",") if name]


def _stored(key: str, place: Place, peers: Places) -> bytes | None:
    """What the members have written under a key; None as well where no store answers."""
    for each in peers.values():
        if each.node.service == "etcd":
            with contextlib.suppress(OSError):
                path = f"/service/{place.cluster}/{key}"
                return gateway.value(each, path, gateway.PATIENCE_S)
    return None


SERVICE: Service = Patroni()
