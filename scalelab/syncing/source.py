"""The PostgreSQL side: the table, what every strategy shares there, and which indices follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from scalelab.syncing.config import Server

if TYPE_CHECKING:
    import psycopg

_CONNECT_S = 5
_LOCK = 7_370_551
"""Of who makes the schema: `IF NOT EXISTS` is not safe when two do it at once."""

# Versions come from one sequence, so that they rise over the life of a row, and over its next life
# after a delete. They are odd: the even number after a row's last version is that of its delete.
SCHEMA = """
CREATE SEQUENCE IF NOT EXISTS item_version INCREMENT BY 2;
CREATE TABLE IF NOT EXISTS item (
    id bigint PRIMARY KEY,
    version bigint NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    price numeric(12, 2) NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE OR REPLACE FUNCTION item_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := nextval('item_version');
    NEW.updated_at := now();  -- when the transaction began, as in most applications
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER item_stamp BEFORE INSERT OR UPDATE ON item
    FOR EACH ROW EXECUTE FUNCTION item_stamp();
CREATE OR REPLACE FUNCTION item_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'TRUNCATE item would not reach the index' USING HINT = 'use DELETE';
END $$;
CREATE OR REPLACE TRIGGER item_kept BEFORE TRUNCATE ON item EXECUTE FUNCTION item_kept();
CREATE TABLE IF NOT EXISTS sync_index (name text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sync_rejected (
    id bigint, version bigint, reason text NOT NULL, PRIMARY KEY (id, version)
);
"""
ROWS: LiteralString = "SELECT id, version, title, body, price, updated_at FROM item"
_REJECT = "INSERT INTO sync_rejected VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


def connect(server: Server) -> psycopg.Connection:
    """A session in the database ``lab``, without a transaction of its own.

    Raises
    ------
    psycopg.OperationalError : it does not answer in time, or refuses.
    """
    import psycopg

    return psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname="lab",
        connect_timeout=_CONNECT_S,
        application_name="scalelab syncer",
        autocommit=True,
        # The password proves who it is on a loopback or a cluster's own network.
        sslmode="disable",
    )


def define(connection: psycopg.Connection, name: str, statements: LiteralString) -> None:
    """Make the table, and what goes by this name, once.

    Done again it would do no harm, but lock the table that others write to.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS sync_defined (name text PRIMARY KEY)")
        known = {known for (known,) in connection.execute("SELECT name FROM sync_defined")}
        for what, text in (("item", SCHEMA), (name, statements)):
            if what not in known:
                connection.execute(text)
                connection.execute("INSERT INTO sync_defined VALUES (%s)", (what,))


def followers(connection: psycopg.Connection) -> list[str]:
    """The indices that changes go to: one, and while it is rebuilt its successor, too.

    Read it in the transaction that takes changes: who adds an index (``follow``) waits for the
    transactions that did not know of it.
    """
    return [name for (name,) in connection.execute("SELECT name FROM sync_index ORDER BY name")]


def follow(connection: psycopg.Connection, add: str = "", remove: str = "") -> None:
    """Change which indices follow; when this returns, every later change goes to those."""
    with connection.transaction():
        connection.execute("LOCK TABLE sync_index")  # waits for who has read it and still writes
        if add:
            connection.execute("INSERT INTO sync_index VALUES (%s) ON CONFLICT DO NOTHING", (add,))
        connection.execute("DELETE FROM sync_index WHERE name = %s", (remove,))


def reject(connection: psycopg.Connection, id: int, version: int, reason: str) -> None:
    """Remember what the index will never take: it must neither stop the others nor be forgotten."""
    connection.execute(_REJECT, (id, version, reason))
