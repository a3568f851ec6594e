"""search "words": one question to one engine or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output, search_options
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster
    from scalelab.search.answer import Answer
    from scalelab.search.asking import Comparison, Engine
    from scalelab.search.question import Question

_EXAMPLE = 'for example: scalelab search "open a file and read lines"'


def query(
    words: Annotated[
        list[str] | None,
        typer.Argument(help='What to look for: words, "a phrase" in quotes, -not, or.'),
    ] = None,
    phrase: Annotated[
        bool, typer.Option("--phrase", help="The words one after the other.")
    ] = False,
    fuzzy: Annotated[bool, typer.Option("--fuzzy", help="Also nearly so spelt.")] = False,
    prefix: Annotated[bool, typer.Option("--prefix", help="The last word is a beginning.")] = False,
    any: Annotated[
        bool, typer.Option("--any", help="One of the words is enough. Default: all.")
    ] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="NAME[^BOOST]",
            help="Where to look; repeat for more.",
            autocompletion=search_options.complete_field,
        ),
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="FIELD=VALUE",
            help="Only these; the same field again means or.",
            autocompletion=search_options.complete_field,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="2024, 2024-05, 2024-05-31.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="The date itself included.")
    ] = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            "--sort",
            metavar="FIELD[:desc]",
            help="Instead of the best first.",
            autocompletion=search_options.complete_field,
        ),
    ] = None,
    facet: Annotated[
        list[str] | None,
        typer.Option(
            "--facet",
            metavar="FIELD",
            help="Count its values; repeat for more.",
            autocompletion=search_options.complete_field,
        ),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=1, max=10_000, help="Hits on a page.")] = 10,
    page: Annotated[int, typer.Option("--page", min=1, help="However deep.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="How each score came about.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Where the time went.")] = False,
    dsl: Annotated[
        str | None,
        typer.Option(
            "--dsl", metavar="FILE|-|JSON", help="A request of your own in the Query DSL."
        ),
    ] = None,
    curl: Annotated[
        bool,
        typer.Option("--curl", help="Print the request for curl and Python; send nothing."),
    ] = False,
    engine: search_options.Engine = "es",
    index: search_options.Index = None,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Search for words. The word "query" itself may be left out, unless a command follows.

    Scores are of the words alone: filters and dates do not change them.
    """
    from scalelab.search import question

    if curl and json:
        raise UsageError("--curl and --json exclude each other", "choose one")
    if dsl is not None:
        from scalelab.cli import search_dsl

        asked_else = (words, phrase, fuzzy, prefix, any, field, filter, since, until, sort, facet)
        if [each for each in asked_else if each] or (size, page) != (10, 1) or explain or profile:
            raise UsageError("--dsl says all itself", "put the rest into the request")
        if engine != "es":
            raise UsageError("--dsl is Elasticsearch's language", "leave --engine out")
        search_dsl.run(dsl, index, name, curl=curl, json=json)
        return
    ways = [each for each, on in zip(_WAYS, (phrase, fuzzy, prefix), strict=True) if on]
    if len(ways) > 1:
        raise UsageError(f"--{ways[0]} and --{ways[1]} exclude each other", "choose one")
    asked = question.Question(
        words=" ".join(words or ()).strip(),
        way=ways[0] if ways else "words",
        any=any,
        fields=question.fields(field or ()),
        filters=question.filters(filter or ()),
        since=question.since(since) if since else None,
        until=question.until(until) if until else None,
        sort=question.sorts(sort or ()),
        facets=tuple(dict.fromkeys(facet or ())),
        size=size,
        page=page,
        explain=explain,
        profile=profile,
    )
    _must_ask(asked)
    if curl and engine != "es":
        raise UsageError("--curl is of Elasticsearch", "leave --engine out")
    _ask(asked, engine, index, name, curl=curl, json=json)


_WAYS: tuple[Any, ...] = ("phrase", "fuzzy", "prefix")


def _must_ask(asked: Question) -> None:
    """Refuse a question without words, unless it is for all that passes a filter."""
    from scalelab.search import websearch

    try:
        asked.words.encode()
    except UnicodeEncodeError:
        raise UsageError("the query is not UTF-8", "type it in a terminal that is") from None
    if asked.words and not websearch.parse(asked.words):
        raise UsageError(f"{asked.words!r} has no word to look for", _EXAMPLE)
    if not asked.words and not (asked.filters or asked.since or asked.until or asked.facets):
        raise UsageError("the query is empty: type what to look for", _EXAMPLE)
    if asked.since and asked.until and asked.since >= asked.until:
        raise UsageError("--since is after --until", "exchange them")


def _ask(
    asked: Question, engine: str, index: str | None, name: str | None, *, curl: bool, json: bool
) -> None:
    from scalelab.search import asking

    cluster = config.clusters().find(name).seen()
    with asking.engines(cluster.places, engine, index) as opened:
        if curl:
            _print_request(asked, opened[0], cluster, name)
            return
        answers = asking.ask(opened, asked)
        comparison = asking.compare(opened, answers, asked) if len(opened) > 1 else None
        found_in = opened[0].collection.name
    if json:
        output.document("scalelab.search", 1, _document(asked, answers, comparison, found_in))
    else:
        _print(asked, answers, comparison, found_in)


def _print_request(asked: Question, engine: Engine, cluster: Cluster, name: str | None) -> None:
    from json import dumps

    from scalelab.cli import search_dsl
    from scalelab.search import elastic_query
    from scalelab.search.elastic_engine import Elastic

    assert isinstance(engine, Elastic)
    engine.collection.check(asked)
    if asked.skip + asked.size > elastic_query.WINDOW:
        raise UsageError(
            "a page that deep takes many requests", "ask for a page within the first 10,000 hits"
        )
    body = dumps(elastic_query.body(asked, engine.collection), indent=2, ensure_ascii=False)
    search_dsl.print_request("POST", engine.path, body, cluster, name)


def _print(
    asked: Question, answers: Sequence[Answer], comparison: Comparison | None, index: str
) -> None:
    from scalelab.cli import search_show

    if comparison:
        output.stdout().print(search_show.both(answers, comparison, asked, index))
    else:
        output.stdout().print(search_show.answer(answers[0], asked, index))
    if not any(each.total for each in answers):
        _advise(asked)


def _advise(asked: Question) -> None:
    """What may find more, on stderr: it is no part of the answer."""
    from scalelab.cli import search

    word = asked.words.split(" ")[0] if asked.words else ""
    near = search.near_command(word)
    if near:
        output.note(f"did you mean the command: scalelab search {near}")
    elif " " in asked.words and not asked.any and asked.way == "words":
        output.note("nothing has all of these words; one of them is enough with: --any")
    elif asked.words and asked.way == "words":
        output.note("words nearly so spelt are found with: --fuzzy; beginnings with: --prefix")


def _document(
    asked: Question, answers: Sequence[Answer], comparison: Comparison | None, index: str
) -> dict[str, Any]:
    return {
        "index": index,
        "question": {
            "words": asked.words,
            "way": asked.way,
            "any": asked.any,
            "fields": [str(each) for each in asked.fields],
            "filters": {name: list(values) for name, values in asked.filters.items()},
            "since": asked.since.isoformat() if asked.since else None,
            "until": asked.until.isoformat() if asked.until else None,
            "sort": [f"{s.name}:{'desc' if s.descending else 'asc'}" for s in asked.sort],
            "size": asked.size,
            "page": asked.page,
        },
        "answers": [_answer(each, asked) for each in answers],
        "comparison": comparison
        and {
            "overlap_at_10": comparison.overlap_at_10,
            "rank_correlation": comparison.rank_correlation,
            "latency_ms": comparison.latency_ms,
        },
    }


def _answer(found: Answer, asked: Question) -> dict[str, Any]:
    return {
        "engine": found.engine,
        "total": found.total,
        "took_ms": found.took_ms,
        "hits": [
            {
                "rank": rank,
                "id": hit.id,
                "score": hit.score,
                "title": hit.title,
                "snippet": hit.snippet,
                "source": hit.source,
                "explanation": hit.explanation,
            }
            for rank, hit in enumerate(found.hits, asked.skip + 1)
        ],
        "facets": {
            name: [{"value": each.value, "count": each.count} for each in counts]
            for name, counts in found.facets.items()
        },
        "profile": [{"depth": depth, "said": said} for depth, said in found.profile],
        "notes": list(found.notes),
    }
