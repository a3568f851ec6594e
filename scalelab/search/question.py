"""What is asked of a search engine: any engine. Pure: the engines' own languages are elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from scalelab.errors import UsageError

Way = Literal["words", "phrase", "fuzzy", "prefix"]

SCORE = "_score"
"""What one sorts by where nothing else is said."""

_DATES = (("%Y", "year"), ("%Y-%m", "month"), ("%Y-%m-%d", "day"))


@dataclass(frozen=True)
class Field:
    """A field to search, and how much a match there counts."""

    name: str
    boost: float = 1.0

    def __str__(self) -> str:
        return self.name if self.boost == 1 else f"{self.name}^{self.boost:g}"


@dataclass(frozen=True)
class Sort:
    """A field to sort by."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Question:
    """One question.

    Parameters
    ----------
    words : what is looked for; empty asks for everything that passes the filters.
    way : of looking: the words wherever they are, one after the other (phrase), nearly so spelt
        (fuzzy), or the last one only begun (prefix).
    any : whether one of the words is enough; else all must be there.
    fields : where to look; empty: where the collection says.
    filters : field -> the values one of which it must have. They count for nothing in the score.
    since, until : the collection's date is not before, and before, these moments.
    sort : empty: the best first.
    facets : fields whose values are counted over all hits.
    size, page : how many hits, and which page of so many; the first is 1.
    explain : how each score came about.
    profile : where the time went.
    """

    words: str
    way: Way = "words"
    any: bool = False
    fields: tuple[Field, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    sort: tuple[Sort, ...] = ()
    facets: tuple[str, ...] = ()
    size: int = 10
    page: int = 1
    explain: bool = False
    profile: bool = False

    @property
    def skip(self) -> int:
        """How many hits come before the page."""
        return (self.page - 1) * self.size

    @property
    def names(self) -> tuple[str, ...]:
        """Every field it speaks of."""
        sorts = (each.name for each in self.sort if each.name != SCORE)
        return (*(each.name for each in self.fields), *self.filters, *sorts, *self.facets)


def fields(words: Iterable[str]) -> tuple[Field, ...]:
    """Read ``title`` and ``title^3``.

    Raises
    ------
    UsageError : no name, or a boost that is no number above 0.
    """
    return tuple(map(_field, words))


def filters(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read ``kind=function``; the same field again is another value it may have.

    Raises
    ------
    UsageError : a word without "=".
    """
    read: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise UsageError(
                f"--filter takes FIELD=VALUE, not {word!r}", "for example: --filter kind=function"
            )
        read[name] = (*read.get(name, ()), value)
    return read


def sorts(words: Iterable[str]) -> tuple[Sort, ...]:
    """Read ``date``, ``date:asc`` and ``date:desc``.

    Raises
    ------
    UsageError : another direction.
    """
    read = []
    for word in words:
        name, _, direction = word.partition(":")
        if not name or direction not in ("", "asc", "desc"):
            raise UsageError(
                f"--sort takes FIELD, FIELD:asc or FIELD:desc, not {word!r}",
                "for example: --sort date:desc",
            )
        read.append(Sort(name, direction == "desc" or (name == SCORE and not direction)))
    return tuple(read)


def since(word: str) -> datetime:
    """The first moment of a year, month or day, or the moment itself; UTC where no zone is given.

    Raises
    ------
    UsageError : it is no date.
    """
    return _moments("--since", word)[0]


def until(word: str) -> datetime:
    """The first moment after a year, month or day: until 2024 includes all of 2024.

    Raises
    ------
    UsageError : it is no date.
    """
    return _moments("--until", word)[1]


def _field(word: str) -> Field:
    match = re.fullmatch(r"([^^]+)(?:\^(\d+(?:\.\d+)?))?", word)
    boost = float(match[2] or 1) if match else 0.0
    if match is None or boost <= 0:
        raise UsageError(
            f"--field takes NAME or NAME^BOOST, not {word!r}", "for example: --field title^3"
        )
    return Field(match[1], boost)


def _moments(option: str, word: str) -> tuple[datetime, datetime]:
    for form, unit in _DATES:
        try:
            start = datetime.strptime(word, form).replace(tzinfo=UTC)
            return start, _after(start, unit)
        except (ValueError, OverflowError):
            continue
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise UsageError(
            f"{option} takes a date, not {word!r}",
            f"for example: {option} 2024, {option} 2024-05-31 or {option} 2024-05-31T12:00",
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment, moment


def _after(start: datetime, unit: str) -> datetime:
    if unit == "year":
        return start.replace(year=start.year + 1)
    if unit == "month":
        return (start + timedelta(days=31)).replace(day=1)
    return start + timedelta(days=1)
