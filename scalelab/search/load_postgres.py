"""Documents into a PostgreSQL table that full-text search can search, all of them or none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from scalelab.corpora._corpus import Document
from scalelab.errors import EnvironmentLacks, ScalelabError
from scalelab.search import mapping
from scalelab.search.loading import Outcome

if TYPE_CHECKING:
    import psycopg

_INDEXED = 250_000
"""Characters of a document whose words are indexed: a tsvector holds 1 MB of them at most."""

_SCHEMA = "CREATE SCHEMA IF NOT EXISTS corpus"
_TRIGRAMS = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_THERE = "SELECT count(*) FROM pg_tables WHERE schemaname = 'corpus' AND tablename = %s"
_SAID = """
SELECT obj_description(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'corpus' AND relname = %s
"""
_TABLE = """
CREATE TABLE {table} (
    id text PRIMARY KEY, source jsonb NOT NULL, whole text NOT NULL, words tsvector NOT NULL
)
"""
_INCOMING = """
CREATE TEMPORARY TABLE incoming (
    at bigint, id text, source jsonb, title text, rest text
) ON COMMIT DROP
"""
_COPY = "COPY incoming FROM STDIN"
# Of several with one id the last; what is the same already is not written again.
_UPSERT = """
WITH last AS (
    SELECT DISTINCT ON (id) id, source, title, rest FROM incoming ORDER BY id, at DESC
), written AS (
    INSERT INTO {table} AS kept (id, source, whole, words)
    SELECT id, source, concat_ws(E'\\n', nullif(title, ''), rest),
        setweight(to_tsvector('english', left(title, {indexed})), 'A')
        || setweight(to_tsvector('english', left(rest, {indexed})), 'B')
    FROM last
    ON CONFLICT (id) DO UPDATE
    SET source = excluded.source, whole = excluded.whole, words = excluded.words
    WHERE (kept.source, kept.whole, kept.words)
        IS DISTINCT FROM (excluded.source, excluded.whole, excluded.words)
    RETURNING xmax = 0 AS created
)
SELECT (SELECT count(*) FROM written WHERE created), (SELECT count(DISTINCT id) FROM incoming)
"""


def before(connection: psycopg.Connection, table: str) -> dict[str, Any] | None:
    """What a table that is there says of itself, as a mapping does; None where none is."""
    with translated():
        row = connection.execute(_SAID, (table,)).fetchone()
    if row is None:
        return None
    try:
        return {"_meta": {"scalelab": dict(json.loads(row[0] or "{}"))}}
    except ValueError:
        return {}


class Postgres:
    """One table of the schema ``corpus``; see ``loading.Engine``.

    Everything is one transaction: a load that is cut short leaves the table as it was.

    Parameters
    ----------
    connect : opens a connection, which this closes.
    replace : a table that is there goes first.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        table: str,
        schema: mapping.Schema,
        *,
        replace: bool = False,
    ) -> None:
        self.outcome = Outcome("postgres")
        self._connect, self._name, self._schema, self._replace = connect, table, schema, replace
        self._open = contextlib.ExitStack()
        self._copying = contextlib.ExitStack()
        self._put = 0

    def open(self) -> None:
        from psycopg.sql import SQL, Identifier

        with translated():
            self._connection = self._open.enter_context(contextlib.closing(self._connect()))
            ask = self._connection.execute
            # One load of a table at a time; the lock goes with the transaction.
            ask("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"corpus.{self._name}",))
            ask(_SCHEMA)
            self._trigrams = self._has_trigrams()
            self._table = SQL("corpus.{}").format(Identifier(self._name))
            if self._replace:
                ask(SQL("DROP TABLE IF EXISTS {}").format(self._table))
            self._new = ask(_THERE, (self._name,)).fetchone() == (0,)
            if self._new:
                ask(SQL(_TABLE).format(table=self._table))
            ask(_INCOMING)
            cursor = self._open.enter_context(self._connection.cursor())
            self._copy = self._copying.enter_context(cursor.copy(_COPY))

    def put(self, document: Document, line: bytes) -> None:
        text = line.decode()
        if "\\u0000" in text and _has_nul(document.fields):
            self.outcome.failed.add(document.id, "PostgreSQL keeps no text with a NUL in it")
            return
        self._put += 1
        title, rest = mapping.words(self._schema.meta, document.fields)
        with translated():
            self._copy.write_row((self._put, document.id, text, title, rest))

    def close(self) -> None:
        from psycopg.sql import SQL, Literal

        with translated():
            self._copying.close()
            ask = self._connection.execute
            upsert = SQL(_UPSERT).format(table=self._table, indexed=Literal(_INDEXED))
            created, ids = ask(upsert).fetchone() or (0, 0)
            if self._new:
                self._make_indices()
            told = Literal(json.dumps(self._schema.told))
            ask(SQL("COMMENT ON TABLE {} IS {}").format(self._table, told))
            ask(SQL("ANALYZE {}").format(self._table))
            self._connection.commit()
        self.outcome.created, self.outcome.updated = int(created), int(ids) - int(created)
        self._open.close()

    def abandon(self) -> None:
        import psycopg

        # Closed without a commit, the transaction has never been.
        for stack in (self._open, self._copying):
            with contextlib.suppress(psycopg.Error, OSError):
                stack.close()

    def _has_trigrams(self) -> bool:
        import psycopg

        try:
            with self._connection.transaction():
                self._connection.execute(_TRIGRAMS)
        except psycopg.Error as error:
            self.outcome.notes.append(f"no trigram index: {_line(error)}")
            return False
        return True

    def _make_indices(self) -> None:
        from psycopg.sql import SQL

        ask = self._connection.execute
        ask(SQL("CREATE INDEX ON {} USING gin (words)").format(self._table))
        if self._trigrams:
            trigrams = "CREATE INDEX ON {} USING gin (whole gin_trgm_ops)"
            ask(SQL(trigrams).format(self._table))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """What PostgreSQL refuses, or that it is gone, in two lines."""
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        raise EnvironmentLacks(
            f"PostgreSQL does not answer: {_line(error)}",
            "see why: scalelab status; Elasticsearch alone: --into es",
        ) from None
    except psycopg.Error as error:
        raise ScalelabError(
            f"PostgreSQL refuses it: {_line(error)}",
            "load into Elasticsearch alone with --into es, or mend that",
        ) from None


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_has_nul, value))
