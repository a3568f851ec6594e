"""How good an engine's answers are, by what people judged: files of judgments, and the figures.

A file of judgments says which documents are right for a query, and how right: grade 0 is not, 1 and
more are, and a higher grade is better. Three forms are read, told apart by their first line:

- TREC's qrels: ``query 0 document grade``, separated by spaces;
- JSON lines: ``{"query": "q1", "id": "pathlib.Path", "grade": 2}``;
- CSV with the heading ``query,id,grade``.

A grade left out of the last two is 1. Lines that are empty or begin with # are passed over.

What a query asks is in a second file, ``query<TAB>words`` or ``{"query": "q1", "words": "open a
file"}``; without one, the name of a query is what is asked.

The figures are those of trec_eval, computed by ir-measures over pytrec_eval.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Judgments = Mapping[str, Mapping[str, int]]
"""Grades by query and document."""

METRICS = ("precision", "recall", "mrr", "ndcg")

# A mistyped grade would else decide a mean alone.
_HIGHEST = 100
_HEADING = ["query", "id", "grade"]


@dataclass(frozen=True)
class Rejected:
    """A line that says nothing: where it is, and why."""

    line: int
    why: str


@dataclass(frozen=True)
class Measured:
    """The figures of one query at k, or their means over queries: each from 0 to 1.

    Parameters
    ----------
    precision : the share of the first k places with a right document; one left empty has none.
    recall : the share of the right documents that are among the first k.
    mrr : 1 / the place of the first right document; 0 where none is among the first k.
    ndcg : how much of the best possible order's worth there is: a document's grade, less the lower
        it stands (Järvelin and Kekäläinen, 2002).
    """

    precision: float
    recall: float
    mrr: float
    ndcg: float


def judgments(lines: Iterable[bytes]) -> tuple[dict[str, dict[str, int]], list[Rejected]]:
    """Read a file of judgments.

    Returns
    -------
    The grades, and the lines that could not be read; the others count all the same. Of two
    judgments of one document the last counts; if they differ, that is said of its line.
    """
    read: dict[str, dict[str, int]] = {}

    def take(words: Sequence[str]) -> None:
        query, document, grade = words
        try:
            number = int(grade)
        except ValueError:
            raise _Broken(f"the grade {grade!r} is no whole number") from None
        if abs(number) > _HIGHEST:
            raise _Broken(f"the grade {number} is none from 0 to {_HIGHEST}")
        before = read.setdefault(query, {}).get(document)
        read[query][document] = number
        if before not in (None, number):
            raise _Broken(f"{document} was {before} for {query} before, and is {number} now")

    forms = {"json": _judgment_json, "csv": _judgment_csv, "plain": _judgment_trec}
    return read, _read(lines, forms, take)


def queries(lines: Iterable[bytes]) -> tuple[dict[str, str], list[Rejected]]:
    """Read a file of queries: what each asks, and the lines that could not be read."""
    read: dict[str, str] = {}

    def take(words: Sequence[str]) -> None:
        query, asked = words
        if read.setdefault(query, asked) != asked:
            raise _Broken(f"{query} asks {read[query]!r} already")

    forms = {"json": _query_json, "csv": _query_tab, "plain": _query_tab}
    return read, _read(lines, forms, take)


def evaluate(
    judged: Judgments, answers: Mapping[str, Sequence[str]], k: int
) -> dict[str, Measured]:
    """The figures of every judged query.

    Parameters
    ----------
    answers : ids by query, best first; only the first ``k`` count. A query without any gets 0.
    """
    # Imported on use: it takes a moment.
    from ir_measures import RR, P, R, nDCG, pytrec_eval

    measures = {P @ k: "precision", R @ k: "recall", RR: "mrr", nDCG @ k: "ndcg"}
    # Scores that fall with the place: pytrec_eval sorts by score, and ties by id.
    run = {
        query: {id_: float(-place) for place, id_ in enumerate(dict.fromkeys(ids[:k]))}
        for query, ids in answers.items()
        if ids
    }
    grades = {query: dict(documents) for query, documents in judged.items()}
    found: dict[str, dict[str, float]] = {}
    for metric in pytrec_eval.iter_calc(list(measures), grades, run):
        found.setdefault(metric.query_id, {})[measures[metric.measure]] = float(metric.value)
    return {query: Measured(**found[query]) for query in judged}


def mean(measured: Iterable[Measured]) -> Measured:
    """The means over queries; of at least one."""
    every = list(measured)
    return Measured(
        **{name: sum(getattr(each, name) for each in every) / len(every) for name in METRICS}
    )


class _Broken(Exception):
    """A line that cannot be read; its text says why."""


_Form = Callable[[str], Sequence[str] | None]


def _read(
    lines: Iterable[bytes], forms: Mapping[str, _Form], take: Callable[[Sequence[str]], None]
) -> list[Rejected]:
    """Read lines in the form that the first one has; the lines that are broken."""
    rejected, form = [], None
    for number, line in _lines(lines):
        try:
            text = line.decode().strip("\r\n")
            form = form or forms[_kind(text)]
            if words := form(text):
                take(words)
        except UnicodeDecodeError:
            rejected.append(Rejected(number, "not UTF-8"))
        except _Broken as problem:
            rejected.append(Rejected(number, str(problem)))
    return rejected


def _lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, 1):
        kept = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if kept.strip() and not kept.lstrip().startswith(b"#"):
            yield number, kept


def _kind(first: str) -> str:
    if first.lstrip().startswith("{"):
        return "json"
    return "csv" if first.lower().replace(" ", "").split(",") == _HEADING else "plain"


def _judgment_trec(line: str) -> Sequence[str]:
    words = line.split()
    if len(words) != 4:
        raise _Broken(f"{len(words)} words where `query 0 document grade` are four")
    return words[0], words[2], words[3]


def _judgment_csv(line: str) -> Sequence[str] | None:
    try:
        (words,) = csv.reader([line])
    except csv.Error as problem:
        raise _Broken(f"no CSV: {problem}") from None
    if _kind(line) == "csv":
        return None
    if len(words) not in (2, 3) or not all(words[:2]):
        raise _Broken("not `query,id,grade`")
    return words if len(words) == 3 else [*words, "1"]


def _judgment_json(line: str) -> Sequence[str]:
    read = _object(line)
    grade = read.get("grade", 1)
    if not isinstance(grade, int):
        raise _Broken(f"the grade {grade!r} is no whole number")
    return _text(read, "query"), _text(read, "id"), str(int(grade))


def _query_tab(line: str) -> Sequence[str]:
    query, tab, words = line.partition("\t")
    if not (tab and query.strip() and words.strip()):
        raise _Broken("not `query<TAB>words`")
    return query.strip(), words.strip()


def _query_json(line: str) -> Sequence[str]:
    read = _object(line)
    return _text(read, "query"), _text(read, "words")


def _object(line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except ValueError as problem:
        raise _Broken(f"no JSON: {problem}") from None
    if not isinstance(read, dict):
        raise _Broken("no JSON object")
    return read


def _text(read: Mapping[str, Any], key: str) -> str:
    value = read.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise _Broken(f"no {key!r}")
    return value.strip()
