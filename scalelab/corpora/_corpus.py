"""What a source of documents offers: its own facts, and one pass over its documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Reject = Callable[[str, str], None]
"""Told where a record is ("line 7") and why it is none; the rest goes on."""
Note = Callable[[str], None]
"""Told once what a reader had to assume ("line 7 is not UTF-8: ...")."""

Properties = Mapping[str, Any]
"""Fields as an Elasticsearch mapping has them below ``properties``."""


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to be found.

    Parameters
    ----------
    id : the same for the same thing however often it is read.
    fields : plain data that JSON can hold.
    """

    id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Meta:
    """What an index should be searched and shown by; kept in its ``_meta.scalelab``.

    Parameters
    ----------
    title : the field that names a document; None where none does.
    fields : what words are looked for in, with boosts ("name^3").
    facets : the fields whose values can be counted.
    date : the field that says when.
    """

    title: str | None = None
    fields: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    date: str | None = None


class Corpus(Protocol):
    """A kind of source. One file in ``scalelab/corpora``, whose ``CORPUS`` is an instance."""

    summary: str
    """What it reads, in half a line."""
    needs_source: bool
    """Whether it reads a file; else it is always there."""
    suffixes: tuple[str, ...]
    """Endings of file names that are taken to be of this kind (".csv")."""
    meta: Meta | None
    """How it is searched; None where only its documents tell."""
    mapping: Properties | None
    """The types of its fields; None where only its documents tell."""

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        """One pass, in the order of the source, in constant memory where that can be.

        A record that is broken is given to ``reject`` and the rest goes on.

        Raises
        ------
        UsageError : the source as a whole is not of this kind, or cannot be read.
        """


def digest(fields: Mapping[str, Any]) -> str:
    """An id for a document that has none of its own: the same content, the same id."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
