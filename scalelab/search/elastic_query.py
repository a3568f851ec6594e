"""A question in Elasticsearch's language: the body of a _search. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scalelab.search import websearch
from scalelab.search.collection import Collection
from scalelab.search.question import SCORE, Question
from scalelab.search.websearch import Term

Json = dict[str, Any]

WINDOW = 10_000
"""How deep ``from`` may go; further pages are walked (``index.max_result_window``)."""

OPEN, CLOSE = "<em>", "</em>"
"""What is put around what matched."""

_FACET_VALUES = 10
_SNIPPET = 160


def body(asked: Question, collection: Collection) -> Json:
    """The whole request for one page; ``from`` is left out where it would go too deep.

    Raises
    ------
    UsageError : a field cannot do what is asked of it.
    """
    made: Json = {"query": query(asked, collection), "size": asked.size}
    if 0 < asked.skip <= WINDOW - asked.size:
        made["from"] = asked.skip
    made["track_total_hits"] = True
    if asked.sort:
        made["sort"] = [_sort(each.name, each.descending, collection) for each in asked.sort]
        made["track_scores"] = True
    if asked.words:
        made["highlight"] = _highlight(asked, collection)
    if asked.facets:
        made["aggs"] = {name: _facet(name, collection) for name in asked.facets}
    made.update({name: True for name in ("explain", "profile") if getattr(asked, name)})
    return made


def query(asked: Question, collection: Collection) -> Json:
    """What is looked for, in query context, and the filters, in filter context."""
    names = [str(each) for each in collection.searched(asked)] if asked.words else []
    must = _matching(asked, names)
    allowed = [*_terms(asked, collection), *_dates(asked, collection)]
    if not allowed:
        return must
    return {"bool": {"must": [must], "filter": allowed}}


def _matching(asked: Question, names: list[str]) -> Json:
    if not asked.words:
        return {"match_all": {}}
    if asked.way == "phrase":
        return _match(asked.words, names, type="phrase")
    if asked.way == "fuzzy":
        every = [
            _match(word, names, type="best_fields", fuzziness="AUTO", zero_terms_query="all")
            for word in asked.words.split()
        ]
        return _together(every, any=asked.any)
    if asked.way == "prefix":
        *whole, begun = asked.words.split()
        last = _match(begun, names, type="bool_prefix")
        before = [_words(whole, names, any=asked.any)] if whole else []
        return _together([*before, last], any=asked.any)
    alternatives = [_alternative(each, names, asked) for each in websearch.parse(asked.words)]
    return _together(alternatives, any=True)


def _alternative(terms: tuple[Term, ...], names: list[str], asked: Question) -> Json:
    plain = websearch.plain(terms)
    wanted = [_words(plain, names, any=asked.any)] if plain else []
    wanted += [_term(each, names) for each in terms if each.phrase and not each.negated]
    unwanted = [_term(each, names) for each in terms if each.negated]
    if not unwanted:
        return _together(wanted, any=asked.any)
    inner = {"must": [_together(wanted, any=asked.any)]} if wanted else {}
    return {"bool": {**inner, "must_not": unwanted}}


def _term(term: Term, names: list[str]) -> Json:
    return _match(term.text, names, type="phrase") if term.phrase else _words([term.text], names)


def _words(words: Iterable[str], names: list[str], *, any: bool = False) -> Json:
    # By term, not by field: all words must be there, but not all in one field. PostgreSQL's
    # tsvector of a whole document does the same.
    operator = "or" if any else "and"
    return _match(" ".join(words), names, type="cross_fields", operator=operator)


def _match(text: str, names: list[str], **more: str) -> Json:
    return {"multi_match": {"query": text, "fields": names, **more}}


def _together(queries: list[Json], *, any: bool) -> Json:
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should" if any else "must": queries}}


def _terms(asked: Question, collection: Collection) -> list[Json]:
    return [
        {"terms": {collection.column(name): list(values)}} for name, values in asked.filters.items()
    ]


def _dates(asked: Question, collection: Collection) -> list[Json]:
    bounds = {"gte": asked.since, "lt": asked.until}
    given = {name: moment.isoformat() for name, moment in bounds.items() if moment}
    return [{"range": {collection.dated(): given}}] if given else []


def _sort(name: str, descending: bool, collection: Collection) -> Json:
    order = "desc" if descending else "asc"
    if name == SCORE:
        return {SCORE: {"order": order}}
    return {collection.column(name): {"order": order, "missing": "_last"}}


def _highlight(asked: Question, collection: Collection) -> Json:
    return {
        "pre_tags": [OPEN],
        "post_tags": [CLOSE],
        "number_of_fragments": 1,
        "fragment_size": _SNIPPET,
        "fields": {each.name: {} for each in collection.searched(asked)},
    }


def _facet(name: str, collection: Collection) -> Json:
    column = collection.column(name)
    if collection.types.get(column) == "date":
        return {
            "date_histogram": {
                "field": column,
                "calendar_interval": "year",
                "format": "yyyy",
                "min_doc_count": 1,
            }
        }
    return {"terms": {"field": column, "size": _FACET_VALUES}}
