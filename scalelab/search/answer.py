"""What an engine answered. Pure data, the same of every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hit:
    """One document that was found.

    Parameters
    ----------
    score : None where something else was sorted by.
    title : what to call it: a field of it, or its id.
    snippet : some of its text, with ``<em>`` around what matched; may be empty.
    source : the document itself.
    explanation : how the score came about, as the engine says it: a tree of value, description,
        details.
    """

    id: str
    score: float | None
    title: str
    snippet: str
    source: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Count:
    """A value and how many of the hits have it."""

    value: str
    count: int


@dataclass(frozen=True)
class Answer:
    """What one engine answered.

    Parameters
    ----------
    engine : es or postgres.
    total : how many documents match, on all pages.
    took_ms : as the server says it (Elasticsearch), or as its client waited (PostgreSQL).
    facets : field -> its most frequent values among all hits.
    profile : where the time went, in lines, each with its depth.
    notes : what the user must know besides, one line each.
    """

    engine: str
    total: int
    took_ms: float
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[Count, ...]] = field(default_factory=dict)
    profile: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The hits' ids in their order."""
        return tuple(hit.id for hit in self.hits)


def squeeze(text: str, most: int = 240) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
