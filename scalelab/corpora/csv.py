"""Tables of comma-separated values (or tabs, semicolons, bars) with a header."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scalelab.corpora import _lines
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject, digest
from scalelab.corpora.jsonl import own_id
from scalelab.errors import UsageError

_DELIMITERS = ",;\t|"
_LONGEST_RECORD = 2000
"""Lines of one record; beyond, a quote that is never closed would swallow the file."""

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)?\.\d+([eE][+-]?\d+)?|-?[1-9](\.\d+)?[eE][+-]?\d+")
_BOOLEANS = {"true": True, "false": False}


class Csv:
    """One document a record. Values that are plainly numbers or true and false become them.

    A number with leading zeros (a postcode) stays text, an empty value is left out. The id is that
    of a column named as ``jsonl`` has them, as it is written, else a digest of the record.
    """

    summary = "comma-separated values with a header; tabs, semicolons and bars are seen"
    needs_source = True
    suffixes: tuple[str, ...] = (".csv", ".tsv")
    meta: Meta | None = None
    mapping: Properties | None = None

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        records = _records(source, reject, note)
        header = next(records, None)
        if header is None:
            raise UsageError(f"{source} has no header", "its first line names the columns")
        names = _names(header[1])
        for number, row in records:
            if len(row) != len(names):
                reject(f"line {number}", f"{len(row)} values where the header has {len(names)}")
                continue
            given = {name: value for name, value in zip(names, row, strict=True) if value.strip()}
            if not given:
                reject(f"line {number}", "a record without values")
                continue
            fields = {name: _value(text) for name, text in given.items() if name != "_id"}
            key = own_id({name.lower(): value for name, value in given.items()})
            yield Document(key or digest(fields), fields)


def _records(source: Path | None, reject: Reject, note: Note) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line it begins in."""
    csv.field_size_limit(_lines.LONGEST)
    feed = _Feed(_lines.lines(source, reject, note))
    dialect = _delimiter(feed.peek())
    while feed.begin():
        # One reader a record: after an error the next line is the beginning of a record again.
        try:
            row = next(csv.reader(feed, delimiter=dialect, strict=True), None)
        except csv.Error as error:
            reject(f"line {feed.first}", f"no record: {error}")
            feed.back()
            continue
        if row:
            yield feed.first, row


class _Feed:
    """Lines for one record at a time; of one that is none all but the first come again."""

    def __init__(self, numbered: Iterator[tuple[int, str]]) -> None:
        self._numbered = numbered
        self._waiting: deque[tuple[int, str]] = deque()
        self._given: list[tuple[int, str]] = []

    @property
    def first(self) -> int:
        """The number of the record's first line."""
        return self._given[0][0] if self._given else 0

    def peek(self) -> str:
        """The next line, which stays the next one."""
        return self._waiting[0][1] if self._more() else ""

    def begin(self) -> bool:
        """Begin with the next record; False where there is none."""
        self._given.clear()
        return self._more()

    def back(self) -> None:
        """The record's lines but the first come again."""
        self._waiting.extendleft(reversed(self._given[1:]))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._given) >= _LONGEST_RECORD or not self._more():
            raise StopIteration
        self._given.append(self._waiting.popleft())
        return self._given[-1][1]

    def _more(self) -> bool:
        if not self._waiting and (following := next(self._numbered, None)) is not None:
            self._waiting.append(following)
        return bool(self._waiting)


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _names(header: list[str]) -> list[str]:
    """Names of the columns, each once; one without gets its number."""
    names: list[str] = []
    for number, word in enumerate(header, 1):
        name = word.strip().strip(".") or f"column{number}"
        names.append(f"{name}_{number}" if name in names else name)
    return names


def _value(text: str) -> Any:
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return _BOOLEANS.get(text.lower(), text)


CORPUS: Corpus = Csv()
