"""Documents into Elasticsearch and PostgreSQL alike, in one pass over their corpus.

A document has the same id whenever it is read, so to load again is to write the same over the same:
what was interrupted is completed by doing it again. Of several documents with one id the last one
counts.
"""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scalelab.corpora._corpus import Document
from scalelab.errors import ScalelabError, UsageError

LONGEST_ID = 512
"""Bytes; what Elasticsearch allows."""

_KEPT = 1000
_INDEX = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_AGAIN = "then run it again: what is loaded already is written over, nothing is there twice"


@dataclass
class Problems:
    """What could not be loaded: the first thousand, and how many in all."""

    count: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, why: str) -> None:
        """One more, by its place or id, and the reason."""
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append((where, why))


@dataclass
class Outcome:
    """What became of the documents in one engine.

    Parameters
    ----------
    created, updated : documents that are there now; the latter were there before.
    seconds : from the first document read until the last one can be found.
    """

    engine: str
    created: int = 0
    updated: int = 0
    failed: Problems = field(default_factory=Problems)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def loaded(self) -> int:
        """Documents written."""
        return self.created + self.updated


@dataclass
class Loaded:
    """What a load did.

    Parameters
    ----------
    read : documents the corpus had.
    repeated : of these, how many had the id of an earlier one.
    rejected : records of the corpus that are no documents.
    """

    read: int = 0
    repeated: int = 0
    rejected: Problems = field(default_factory=Problems)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def problems(self) -> int:
        """Records and documents that are missing somewhere."""
        return self.rejected.count + sum(each.failed.count for each in self.outcomes)


class Engine(Protocol):
    """Where documents go. Nothing is begun before ``open``; then comes ``close`` or ``abandon``."""

    outcome: Outcome

    def open(self) -> None:
        """Make the index or the table, or look at the one that is there.

        Raises
        ------
        UsageError : it is there and another one, or the server refuses it.
        EnvironmentLacks : the server does not answer.
        """

    def put(self, document: Document, line: bytes) -> None:
        """Take one document, and its fields as JSON in one line; may wait for the server.

        Raises
        ------
        ScalelabError : the server is gone, or takes no more.
        """

    def close(self) -> None:
        """Write the rest, and make everything be found.

        Raises
        ------
        ScalelabError : the server is gone, or takes no more.
        """

    def abandon(self) -> None:
        """Stop as it is; never raises."""


def load(
    documents: Iterable[Document],
    engines: Sequence[Engine],
    result: Loaded,
    tick: Callable[[int, str], None] = lambda read, doing: None,
) -> None:
    """Load documents into every engine.

    Parameters
    ----------
    result : is filled; its ``rejected`` may be filled by who reads the corpus at the same time.
    tick : called now and then with how many documents have been read, and what is done.

    Raises
    ------
    ScalelabError : an engine cannot go on; says what each has by now.
    """
    result.outcomes = [engine.outcome for engine in engines]
    begun = time.perf_counter()
    opened: list[Engine] = []
    try:
        for engine in engines:
            opened.append(engine)
            engine.open()
        for document, line in _lines(documents, result):
            for engine in engines:
                engine.put(document, line)
            if result.read % 100 == 0:
                tick(result.read, "reading and loading")
        for engine in engines:
            tick(result.read, f"completing {engine.outcome.engine}")
            engine.close()
            engine.outcome.seconds = time.perf_counter() - begun
    except BaseException as error:
        for engine in opened:
            engine.abandon()
        if isinstance(error, ScalelabError) and result.read:
            raise _with_progress(error, result) from error
        raise


def _lines(documents: Iterable[Document], result: Loaded) -> Iterator[tuple[Document, bytes]]:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    seen: set[int] = set()  # of hashes: a few dozen bytes for each document, whatever its id
    for document in documents:
        result.read += 1
        try:
            if not 0 < len(document.id.encode()) <= LONGEST_ID:
                result.rejected.add(document.id[:40], f"its id has more than {LONGEST_ID} bytes")
                continue
            line = encode(document.fields).encode()
        except (ValueError, TypeError, RecursionError) as error:  # UnicodeEncodeError among them
            result.rejected.add(ascii(document.id)[1:-1], f"cannot be written as JSON: {error}")
            continue
        before = len(seen)
        seen.add(hash(document.id))
        result.repeated += len(seen) == before
        yield document, line


def _with_progress(error: ScalelabError, result: Loaded) -> ScalelabError:
    said = [
        f"{each.engine}: {each.loaded:,} of the {result.read:,} documents read so far are in it"
        for each in result.outcomes
    ]
    hint = f"{error.hint}; {_AGAIN}" if error.hint else _AGAIN
    error.__init__(error.message, hint, (*error.details, *said))  # type: ignore[misc]
    return error


def index_name(word: str) -> str:
    """Check a name for an index and a table.

    Raises
    ------
    UsageError : not every engine takes it; suggests one that is like it.
    """
    if not _INDEX.fullmatch(word):
        near = like(word)
        raise UsageError(
            f"{word!r} cannot be an index's name",
            "use small letters, digits, -, _ and ., 63 at most, a letter or digit first"
            + (f": --index {near}" if near else ""),
        )
    return word


def like(word: str) -> str:
    """A name for an index that is like a word; empty where nothing of it is left."""
    plain = unicodedata.normalize("NFKD", word.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")[:63]
