"""Asks PostgreSQL's full-text search a question."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from scalelab.errors import EnvironmentLacks, ScalelabError
from scalelab.search import postgres_query
from scalelab.search.answer import Answer, Count, Hit, squeeze
from scalelab.search.collection import Collection, value
from scalelab.search.question import Question

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed


class Postgres:
    """One table of documents."""

    name = "postgres"

    def __init__(self, connection: psycopg.Connection, collection: Collection) -> None:
        self.connection = connection
        self.collection = collection

    def ask(self, asked: Question) -> Answer:
        """The answer to one question.

        Raises
        ------
        UsageError : it speaks of what the documents do not have.
        EnvironmentLacks : the server is gone.
        """
        self.collection.check(asked)
        begin = time.perf_counter()
        rows = self._rows(asked, postgres_query.hits(asked, self.collection))
        if rows or asked.page == 1:
            total = int(rows[0][4]) if rows else 0
        else:
            total = int(self._rows(asked, postgres_query.total(asked, self.collection))[0][0])
        facets = {name: self._facet(name, asked) for name in asked.facets}
        took = time.perf_counter() - begin
        return Answer(
            engine=self.name,
            total=total,
            took_ms=took * 1000,
            hits=tuple(self._hit(asked, *row[:4]) for row in rows),
            facets=facets,
            profile=self._plan(asked) if asked.profile else (),
            notes=self._notes(asked),
        )

    def _hit(self, asked: Question, id: str, source: Any, score: float, snippet: str) -> Hit:
        title = self.collection.title
        named = value(source, title) if title else None
        how = {"value": score, "description": self._how(asked), "details": []}
        return Hit(
            id=id,
            score=score,
            title=squeeze(str(named if named else id)),
            snippet=squeeze(snippet or ""),
            source=source,
            explanation=how if asked.explain else None,
        )

    def _how(self, asked: Question) -> str:
        if asked.way == "fuzzy":
            return "the mean word_similarity (shared trigrams) of the words"
        return "ts_rank_cd: how near each other the words are, divided by 1 + log(length)"

    def _notes(self, asked: Question) -> tuple[str, ...]:
        if not (asked.explain and asked.words) or asked.way == "fuzzy":
            return ()
        from psycopg.sql import SQL

        statement = SQL("SELECT {}::text").format(postgres_query.tsquery(asked))
        return (f"PostgreSQL looks for {self._rows(asked, statement)[0][0]}",)

    def _facet(self, name: str, asked: Question) -> tuple[Count, ...]:
        rows = self._rows(asked, postgres_query.facet(name, asked, self.collection))
        return tuple(Count(str(each), int(count)) for each, count in rows)

    def _plan(self, asked: Question) -> tuple[tuple[int, str], ...]:
        from psycopg.sql import SQL

        statement = SQL("EXPLAIN (ANALYZE, COSTS OFF) {}").format(
            postgres_query.hits(asked, self.collection)
        )
        lines = [str(line) for (line,) in self._rows(asked, statement)]
        return tuple(((len(line) - len(line.lstrip())) // 2, line.strip()) for line in lines)

    def _rows(self, asked: Question, statement: Composed) -> list[tuple[Any, ...]]:
        import psycopg

        try:
            given = postgres_query.parameters(asked, self.collection)
            return self.connection.execute(statement, given).fetchall()
        except psycopg.OperationalError as error:
            raise EnvironmentLacks(
                f"PostgreSQL does not answer: {str(error).splitlines()[0]}", "see: scalelab status"
            ) from None
        except psycopg.Error as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ScalelabError(f"PostgreSQL refuses it: {said}", "say it in other words") from None
