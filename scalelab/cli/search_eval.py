"""search eval: how good the answers of both engines are, by a file of judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output, search_options
from scalelab.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from scalelab.search.evaluation import Judgments, Measured, Rejected
    from scalelab.search.question import Question

_LISTED = 10
_NAMES = {"es": "Elasticsearch", "postgres": "PostgreSQL"}
_MIN_QUERIES = 5
"""Fewer tell no difference between two engines from chance."""


def evaluate(
    qrels: Annotated[
        Path, typer.Argument(help="Which documents are right for which query, and how right.")
    ],
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What each query asks: query<TAB>words, or JSON lines with query and words. "
            "Default: its name is what is asked.",
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, max=1000, help="How many answers count.")
    ] = 10,
    any: Annotated[
        bool, typer.Option("--any", help="One of the words is enough. Default: all.")
    ] = False,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME[^BOOST]", help="Where to look; repeat for more."),
    ] = None,
    engine: search_options.Engine = "both",
    index: search_options.Index = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Each query, too.")] = False,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Measure answers by what people judged: precision, recall, MRR and nDCG at k.

    QRELS is TREC's (query 0 document grade), JSON lines with query, id and grade, or CSV with the
    heading query,id,grade. A document of grade 0 is wrong, of 1 and more right; one that nobody
    judged is wrong. The figures are those of trec_eval. A line that is broken is listed and the
    rest counts: the exit code is 1 then.
    """
    from scalelab.search import asking, evaluation, question

    judged, rejected = evaluation.judgments(_lines(qrels))
    problems = _Problems([(qrels, each) for each in rejected])
    words = {query: query for query in judged}
    if queries is not None:
        words, rejected = evaluation.queries(_lines(queries))
        problems.rejected += [(queries, each) for each in rejected]
    _list_rejected(problems)
    if not judged:
        forms = "`query 0 document grade`, JSON lines, or CSV with the heading query,id,grade"
        raise UsageError(f"{qrels} holds no judgment", f"a line of it is {forms}")
    problems.look(judged, words)
    fields = question.fields(field or ())
    asked = {
        query: question.Question(words[query], any=any, fields=fields, size=k)
        for query in judged
        if query not in problems.without_words
    }
    if not asked:
        raise UsageError(
            "no judged query has words to ask for",
            f"{queries} must have lines of their names, a tab, and words"
            if queries
            else "say them in a file of query<TAB>words: --queries FILE",
        )
    judged = {query: judged[query] for query in asked}
    cluster = config.clusters().find(name).seen()
    with asking.engines(cluster.places, engine, index) as opened:
        engines = []
        for each in opened:
            with output.stderr().status(f"asking {_NAMES[each.name]} {len(asked)} queries …"):
                engines.append(_measured(each, asked, judged, k))
        result = _Result(opened[0].collection.name, k, any, asked, tuple(engines))
    problems.say(result)
    if json:
        output.document("scalelab.search-eval", 1, _document(result, problems))
    else:
        _show(result, verbose=verbose)
    if count := len(problems.rejected):
        lines = f"{count:,} line{'s' if count > 1 else ''} could not be read"
        raise CheckFailed(lines, "mend them and evaluate again: they count for nothing")


# --- what is asked and found -----------------------------------------------------------------


@dataclass(frozen=True)
class _Engine:
    """What one engine found: by query, its figures and ids; and what it does not even have."""

    name: str
    measured: Mapping[str, Measured]
    answers: Mapping[str, Sequence[str]]
    missing: Sequence[str]
    mean: Measured

    @property
    def title(self) -> str:
        return _NAMES[self.name]


@dataclass(frozen=True)
class _Result:
    index: str
    k: int
    any: bool
    asked: Mapping[str, Question]
    engines: tuple[_Engine, ...]

    def difference(self) -> tuple[float, float, float] | None:
        """By how much the first engine's nDCG is above the second's: mean and 95% interval.

        The unit is the query: paired, as both were asked the same.
        """
        if len(self.engines) < 2 or len(self.asked) < _MIN_QUERIES:
            return None
        from scalelab.measure.statistics import t_interval

        ours, theirs = (each.measured for each in self.engines)
        mean, low, high = t_interval([ours[q].ndcg - theirs[q].ndcg for q in self.asked])
        return float(mean), float(low), float(high)


def _measured(engine: Any, asked: Mapping[str, Question], judged: Judgments, k: int) -> _Engine:
    from scalelab.search import evaluation
    from scalelab.search.judged import answers, present

    ids = {id_ for documents in judged.values() for id_ in documents}
    found = answers(engine, asked)
    measured = evaluation.evaluate(judged, found, k)
    missing = sorted(ids - present(engine, ids))
    return _Engine(engine.name, measured, found, missing, evaluation.mean(measured.values()))


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a file") from None


# --- what is wrong with the files --------------------------------------------------------------


class _Problems:
    """What of the files does not count, and why."""

    def __init__(self, rejected: list[tuple[Path, Rejected]]) -> None:
        self.rejected = rejected
        self.without_words: list[str] = []
        self.without_judgments: list[str] = []
        self.nothing_right: list[str] = []

    def look(self, judged: Judgments, words: Mapping[str, str]) -> None:
        """See what the two files do not have in common."""
        from scalelab.search import websearch

        self.without_words = [q for q in judged if not websearch.parse(words.get(q, ""))]
        self.without_judgments = [query for query in words if query not in judged]
        self.nothing_right = [
            query
            for query, grades in judged.items()
            if query not in self.without_words and max(grades.values()) <= 0
        ]

    def say(self, result: _Result) -> None:
        """Say it on stderr: it is no part of the result, but may be why it is as it is."""
        for queries, what in (
            (self.without_words, "not asked, it has no words"),
            (self.without_judgments, "not asked, nothing of it is judged"),
            (self.nothing_right, "no document is right for it: nobody can find one"),
        ):
            if queries:
                output.note(f"{what}: {_some(queries)}")
        for each in result.engines:
            if each.missing:
                output.note(
                    f"judged, but not in {result.index} of {each.title}: {_some(each.missing)}"
                )
        if not any(ids for each in result.engines for ids in each.answers.values()):
            named = all(asked.words == query for query, asked in result.asked.items())
            words = "say what each query asks with --queries, or " if named else ""
            output.note(f"nothing was found at all: {words}let one word be enough with --any")


def _some(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _list_rejected(problems: _Problems) -> None:
    for path, each in problems.rejected[:_LISTED]:
        output.note(f"{path}:{each.line}: {each.why}")
    if (more := len(problems.rejected) - _LISTED) > 0:
        output.note(f"and {more:,} lines more")


# --- what is shown -------------------------------------------------------------------------------


def _show(result: _Result, *, verbose: bool) -> None:
    console = output.stdout()
    console.print(f"{result.index}, {_queries(len(result.asked))}", markup=False)
    if verbose:
        console.print(_each_query(result))
        console.print()
    table = _table("engine", result.k)
    for each in result.engines:
        table.add_row(each.title, *_figures(each.mean))
    console.print(table)
    if sentence := _sentence(result):
        console.print(sentence, markup=False, soft_wrap=True)


def _table(first: str, k: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for heading in (f"P@{k}", f"recall@{k}", f"MRR@{k}", f"nDCG@{k}"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _each_query(result: _Result) -> Table:
    from rich.text import Text

    table = _table("query", result.k)
    for query, asked in result.asked.items():
        named = query if asked.words == query else f"{query} · {asked.words}"
        table.add_row(Text(named, style="bold"))
        for each in result.engines:
            table.add_row(f"  {each.title}", *_figures(each.measured[query]))
    return table


def _figures(measured: Measured) -> list[str]:
    return [f"{value:.3f}" for value in asdict(measured).values()]


def _sentence(result: _Result) -> str | None:
    """What the difference of two engines is worth."""
    if len(result.engines) < 2:
        return None
    found = result.difference()
    if found is None:
        return f"fewer than {_MIN_QUERIES} queries tell no difference from chance"
    mean, low, high = found
    better = result.engines[0 if mean >= 0 else 1].title
    says = "no difference shows" if low <= 0 <= high else f"{better} is better"
    of = " - ".join(each.title for each in result.engines)
    return f"nDCG, {of}: {mean:+.3f} [{low:+.3f}, {high:+.3f}], {says}"


def _queries(count: int) -> str:
    return f"{count:,} quer{'y' if count == 1 else 'ies'}"


def _document(result: _Result, problems: _Problems) -> dict[str, Any]:
    difference = result.difference()
    return {
        "index": result.index,
        "k": result.k,
        "any": result.any,
        "engines": [
            {
                "engine": each.name,
                **asdict(each.mean),
                "queries": [
                    {
                        "query": query,
                        "words": asked.words,
                        **asdict(each.measured[query]),
                        "ids": list(each.answers[query]),
                    }
                    for query, asked in result.asked.items()
                ],
                "missing": list(each.missing),
            }
            for each in result.engines
        ],
        "ndcg_difference": difference
        and dict(zip(("mean", "low", "high"), difference, strict=True)),
        "rejected": [
            {"file": str(path), "line": each.line, "why": each.why}
            for path, each in problems.rejected
        ],
        "without_words": problems.without_words,
        "without_judgments": problems.without_judgments,
        "nothing_right": problems.nothing_right,
    }
