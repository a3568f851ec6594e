"""A question in PostgreSQL's language: one statement and its parameters. Pure.

The documents are in ``corpus.<name>``: id, source (jsonb), whole (all their text), words (its
tsvector, the title weighing A and all else B). What a user typed is never part of the statement: it
is a parameter, or a literal that psycopg quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from psycopg.sql import SQL, Composable, Identifier, Literal

from scalelab.search import websearch
from scalelab.search.collection import Collection
from scalelab.search.elastic_query import CLOSE, OPEN
from scalelab.search.question import SCORE, Field, Question

SCHEMA = "corpus"

_CONFIG = "english"
_FACET_VALUES = 10
_WEIGHTS = "ABCD"
# By the logarithm of the length: a long text has every word somewhere.
_NORMALIZED = 1
_HEADLINE = (
    f"StartSel={OPEN}, StopSel={CLOSE}, MaxFragments=1, MaxWords=24, MinWords=12, "
    "FragmentDelimiter=…"
)


def hits(asked: Question, collection: Collection) -> sql.Composed:
    """One page: id, source, score, snippet, and how many there are on all pages.

    Raises
    ------
    UsageError : a question for dates, and there is none.
    """
    order = [_sort(each.name, each.descending, collection) for each in asked.sort]
    best = SQL("score DESC NULLS LAST, id")
    return SQL(
        "SELECT id, source, score, {snippet} AS snippet, total FROM ("
        "SELECT id, source, whole, {score} AS score, count(*) OVER () AS total "
        "FROM {table} WHERE {where} ORDER BY {order} LIMIT {size} OFFSET {skip}"
        ") AS page ORDER BY {order}"
    ).format(
        snippet=_snippet(asked, collection),
        score=_score(asked, collection),
        table=table(collection),
        where=where(asked, collection),
        order=SQL(", ").join([*order, best]),
        size=Literal(asked.size),
        skip=Literal(asked.skip),
    )


def total(asked: Question, collection: Collection) -> sql.Composed:
    """How many documents match: asked where a page has no row to say it."""
    return SQL("SELECT count(*) FROM {} WHERE {}").format(
        table(collection), where(asked, collection)
    )


def facet(name: str, asked: Question, collection: Collection) -> sql.Composed:
    """A field's values among all hits, the most frequent first; a date's are its years."""
    dated = collection.types.get(name) == "date"
    value = SQL("left(each, 4)") if dated else SQL("each")
    ordered = SQL("1") if dated else SQL("2 DESC, 1")
    return SQL(
        "SELECT {value}, count(*) FROM {table}, LATERAL jsonb_array_elements_text("
        "CASE jsonb_typeof({held}) WHEN 'array' THEN {held} ELSE jsonb_build_array({held}) END"
        ") AS each WHERE {where} AND each IS NOT NULL GROUP BY 1 ORDER BY {ordered} LIMIT {most}"
    ).format(
        value=value,
        table=table(collection),
        held=_held(name),
        where=where(asked, collection),
        ordered=ordered,
        most=Literal(_FACET_VALUES),
    )


def parameters(asked: Question, collection: Collection) -> dict[str, Any]:
    """What the statements' placeholders stand for."""
    pieces = asked.words.split()
    given: dict[str, Any] = {
        "words": asked.words,
        "since": asked.since,
        "until": asked.until,
        "whole": " ".join(pieces[:-1]),
        "begun": _quoted(pieces[-1]) if pieces else "",
    }
    given.update({f"word{i}": word for i, word in enumerate(pieces)})
    given.update({f"term{i}": term.text for i, term in enumerate(_flat(asked))})
    given.update({f"filter{i}": list(each) for i, each in enumerate(asked.filters.values())})
    return given


def table(collection: Collection) -> sql.Identifier:
    """The table of the documents."""
    return Identifier(SCHEMA, collection.name)


def where(asked: Question, collection: Collection) -> sql.Composed:
    """The condition that makes a document a hit."""
    conditions: list[Composable] = [*_matching(asked, collection)]
    for i, name in enumerate(asked.filters):
        # A value, or one of several: a list's values count one by one.
        conditions.append(
            SQL("({held} ?| {values}::text[] OR {text} = ANY({values}::text[]))").format(
                held=_held(name), text=_text(name), values=sql.Placeholder(f"filter{i}")
            )
        )
    if asked.since:
        conditions.append(SQL("{} >= %(since)s").format(_date(collection.dated())))
    if asked.until:
        conditions.append(SQL("{} < %(until)s").format(_date(collection.dated())))
    return SQL(" AND ").join(conditions or [SQL("true")])


def _matching(asked: Question, collection: Collection) -> Sequence[Composable]:
    if not asked.words:
        return []
    if asked.way == "fuzzy":
        text = _fuzzy_text(asked, collection)
        like = [
            SQL("{} <%% {}").format(sql.Placeholder(f"word{i}"), text)
            for i in range(len(asked.words.split()))
        ]
        return [SQL("({})").format(SQL(" OR " if asked.any else " AND ").join(like))]
    return [SQL("{} @@ {}").format(_vector(asked, collection)[0], tsquery(asked))]


def tsquery(asked: Question) -> sql.Composed:
    """The words as a text search query."""
    config = Literal(_CONFIG)
    if asked.way == "phrase":
        return SQL("phraseto_tsquery({}, %(words)s)").format(config)
    if asked.way == "prefix":
        whole = _each_word(asked, "plainto_tsquery")[:-1]
        begun = SQL("to_tsquery({}, %(begun)s)").format(config)
        return SQL("({})").format(SQL(" || " if asked.any else " && ").join([*whole, begun]))
    if asked.way == "fuzzy":
        return SQL("plainto_tsquery({}, %(words)s)").format(config)
    if not asked.any:
        return SQL("websearch_to_tsquery({}, %(words)s)").format(config)
    return _any(asked)


def _any(asked: Question) -> sql.Composed:
    """Any of the wanted words and none of the unwanted; websearch_to_tsquery takes all."""
    config, at = Literal(_CONFIG), 0
    alternatives: list[Composable] = []
    for terms in websearch.parse(asked.words):
        wanted: list[Composable] = []
        unwanted: list[Composable] = []
        for term in terms:
            made = SQL("{}({}, {})").format(
                SQL("phraseto_tsquery") if term.phrase else SQL("plainto_tsquery"),
                config,
                sql.Placeholder(f"term{at}"),
            )
            at += 1
            if term.negated:
                unwanted.append(SQL("!!{}").format(made))
            else:
                wanted.append(made)
        either = [SQL("({})").format(SQL(" || ").join(wanted))] if wanted else []
        alternatives.append(SQL("({})").format(SQL(" && ").join([*either, *unwanted])))
    return SQL("({})").format(SQL(" || ").join(alternatives))


def _flat(asked: Question) -> list[websearch.Term]:
    return [term for terms in websearch.parse(asked.words) for term in terms]


def _each_word(asked: Question, function: str) -> list[Composable]:
    return [
        SQL("{}({}, {})").format(
            SQL(function),
            Literal(_CONFIG),
            sql.Placeholder(f"word{i}"),
        )
        for i in range(len(asked.words.split()))
    ]


def _score(asked: Question, collection: Collection) -> Composable:
    if not asked.words:
        return SQL("1.0::float8")
    if asked.way == "fuzzy":
        text = _fuzzy_text(asked, collection)
        alike = [
            SQL("word_similarity({}, {})").format(sql.Placeholder(f"word{i}"), text)
            for i in range(len(asked.words.split()))
        ]
        count = Literal(len(alike))
        return SQL("(({}) / {})::float8").format(SQL(" + ").join(alike), count)
    vector, weights = _vector(asked, collection)
    return SQL("ts_rank_cd({}, {}, {}, {})::float8").format(
        Literal(weights), vector, tsquery(asked), Literal(_NORMALIZED)
    )


def _snippet(asked: Question, collection: Collection) -> Composable:
    texts = [each.name for each in collection.fields if each.name != collection.title]
    text = _joined(texts) if texts else SQL("whole")
    if not asked.words:
        return SQL("left({}, 400)").format(text)
    return SQL("ts_headline({}, {}, {}, {})").format(
        Literal(_CONFIG), text, tsquery(asked), Literal(_HEADLINE)
    )


def _vector(asked: Question, collection: Collection) -> tuple[Composable, str]:
    """What is searched, and how much its weights D, C, B, A count."""
    chosen = asked.fields
    if not chosen or {each.name for each in chosen} == {each.name for each in collection.fields}:
        return SQL("words"), "{0.1, 0.2, 0.4, 1.0}"
    # Not all fields: no index has their words alone. Slower, and right.
    boosts = sorted({each.boost for each in chosen}, reverse=True)[: len(_WEIGHTS)]
    vectors = SQL(" || ").join(_weighed(each, boosts) for each in chosen)
    counts = [boost / boosts[0] for boost in boosts] + [0.0] * (len(_WEIGHTS) - len(boosts))
    return SQL("({})").format(vectors), "{" + ", ".join(f"{c:g}" for c in reversed(counts)) + "}"


def _weighed(field: Field, boosts: Sequence[float]) -> Composable:
    weight = _WEIGHTS[boosts.index(field.boost) if field.boost in boosts else len(boosts) - 1]
    return SQL("setweight(to_tsvector({}, coalesce({}, '')), {})").format(
        Literal(_CONFIG), _text(field.name), Literal(weight)
    )


def _fuzzy_text(asked: Question, collection: Collection) -> Composable:
    if not asked.fields:
        return SQL("whole")
    return _joined([each.name for each in asked.fields])


def _joined(names: Sequence[str]) -> sql.Composed:
    return SQL("concat_ws(' ', {})").format(SQL(", ").join(map(_text, names)))


def _sort(name: str, descending: bool, collection: Collection) -> Composable:
    direction = SQL("DESC NULLS LAST") if descending else SQL("ASC NULLS LAST")
    if name == SCORE:
        return SQL("score {}").format(direction)
    if collection.types.get(name) == "date":
        return SQL("{} {}").format(_date(name), direction)
    # jsonb orders numbers as numbers and texts as texts; texts by bytes, as Elasticsearch does.
    return SQL(
        "jsonb_typeof({held}) {d}, CASE WHEN jsonb_typeof({held}) = 'string' THEN {text} "
        'END COLLATE "C" {d}, {held} {d}'
    ).format(held=_held(name), text=_text(name), d=direction)


def _date(name: str) -> Composable:
    # What is no date is not an error, it is only not between two.
    return SQL(
        "CASE WHEN pg_input_is_valid({text}, 'timestamptz') THEN {text}::timestamptz END"
    ).format(text=_text(name))


def _held(name: str) -> Composable:
    return SQL("(source #> {})").format(Literal(_path(name)))


def _text(name: str) -> Composable:
    return SQL("(source #>> {})").format(Literal(_path(name)))


def _path(name: str) -> list[str]:
    return name.removesuffix(".keyword").split(".")


def _quoted(word: str) -> str:
    """A word that to_tsquery takes as a word, whatever is in it, and as a beginning."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}':*"
