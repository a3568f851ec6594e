"""Short posts, one JSON object a line, whatever their author's fields are called."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from scalelab.corpora import _json_lines
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject, digest
from scalelab.corpora.jsonl import own_id

_TEXTS = ("text", "full_text", "body", "content", "message", "post")
_USERS = ("user", "username", "author", "from", "account", "screen_name", "name")
_DATES = ("created_at", "created", "date", "timestamp", "time", "published")
_TAGS = ("tags", "hashtags", "labels")
_HASHTAG = re.compile(r"(?<!\w)#(\w+)")
_MILLISECONDS = 10_000_000_000
"""From here on a count is not of seconds: these would be of the year 2286."""

_MAPPING: Properties = {
    "user": {"type": "keyword", "ignore_above": 256},
    "text": {"type": "text", "analyzer": "english"},
    "created_at": {"type": "date", "ignore_malformed": True},
    "tags": {"type": "keyword", "ignore_above": 256},
}


class Posts:
    """A post is ``user``, ``text``, ``created_at`` and ``tags``; other fields are left out.

    The tags are those given, else the words that the text marks with #. A date that nobody can read
    stays in ``created_at`` as it was written; the mapping passes over it.
    """

    summary = "short posts, one JSON object a line: id, user, text, created_at, tags"
    needs_source = True
    suffixes: tuple[str, ...] = ()
    meta: Meta | None = Meta("user", ("text", "tags^2"), ("user", "tags"), "created_at")
    mapping: Properties | None = _MAPPING

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        for number, record in _json_lines.objects(source, reject, note):
            text = _first(record, _TEXTS)
            if not isinstance(text, str) or not text.strip():
                reject(f"line {number}", "a post without text")
                continue
            fields = {
                "user": _user(_first(record, _USERS)),
                "text": text,
                "created_at": _date(_first(record, _DATES)),
                "tags": _tags(_first(record, _TAGS), text),
            }
            fields = {name: value for name, value in fields.items() if value not in (None, "")}
            yield Document(own_id(record) or digest(fields), fields)


def _first(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _user(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = _first(value, ("screen_name", "username", "login", "name", "id"))
    return None if value is None else str(value)


def _tags(given: Any, text: str) -> list[str]:
    if isinstance(given, str):
        given = re.split(r"[\s,]+", given.strip())
    if not isinstance(given, list):
        given = _HASHTAG.findall(text)
    words = [tag.get("text", "") if isinstance(tag, Mapping) else str(tag) for tag in given]
    return list(dict.fromkeys(word.lstrip("#").lower() for word in words if word.strip("#")))


def _date(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            count = float(value)
            when = datetime.fromtimestamp(count / (1000 if count >= _MILLISECONDS else 1), UTC)
            return when.isoformat()
        return str(value)
    text = str(value)
    for read in (datetime.fromisoformat, _twitter, parsedate_to_datetime):
        with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
            when = read(text)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()
    return text


def _twitter(text: str) -> datetime:
    # "Wed Oct 10 20:19:24 +0000 2018": by hand, as names of months must not be the locale's.
    _, month, day, clock, zone, year = text.split()
    return parsedate_to_datetime(f"{day} {month} {year} {clock} {zone}")


CORPUS: Corpus = Posts()
