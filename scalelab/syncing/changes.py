"""What is carried from the table to the index: a row as a document, and a change of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

COLUMNS = ("id", "version", "title", "body", "price", "updated_at")
"""Of the table ``item``, in the order of a row."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What became of one row.

    Parameters
    ----------
    version : of the row; of a deleted one, a version after its last (see ``schema``).
    document : the row as it is since; None when it is deleted.
    at : when, in seconds since the epoch by PostgreSQL's clock; None where nobody knows.
    """

    id: int
    version: int
    document: Document | None
    at: float | None = None


def document(row: Sequence[Any]) -> Document:
    """A row (``COLUMNS``; values as Python objects or as PostgreSQL's text) as its document.

    The same row gives the same document, by whatever way it came: both sides are compared by it.
    """
    number, version, title, body, price, updated = row
    moment = updated if isinstance(updated, datetime) else datetime.fromisoformat(updated)
    return {
        "id": int(number),
        "version": int(version),
        "title": title,
        "body": body,
        "price": float(price),
        "updated_at": moment.astimezone(UTC).isoformat(timespec="microseconds"),
    }


def saved(row: Sequence[Any], at: float | None = None) -> Change:
    """The change that left this row."""
    found = document(row)
    return Change(found["id"], found["version"], found, at)


def newest(changes: Sequence[Change]) -> list[Change]:
    """One change a row, the newest: a hot row that changed a hundred times is written once."""
    found: dict[int, Change] = {}
    for change in changes:
        known = found.get(change.id)
        if known is None or known.version < change.version:
            found[change.id] = change
    return list(found.values())
