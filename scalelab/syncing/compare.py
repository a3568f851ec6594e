"""Are both sides the same? And where they are not: the index made as the table is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scalelab.errors import CheckFailed
from scalelab.syncing import source
from scalelab.syncing.changes import Change, Document, document, saved
from scalelab.syncing.index import Index

if TYPE_CHECKING:
    import psycopg

_PAGE = 1000


@dataclass(frozen=True)
class Comparison:
    """Both sides, looked at as a whole.

    Parameters
    ----------
    rows, documents : how many there are on each side.
    checksums : of the table, and of the index: the same where nothing differs.
    missing, extra, different : ids of rows without a document, of documents without a row (and the
        document's version), of those that are not alike.
    """

    rows: int
    documents: int
    checksums: tuple[str, str]
    missing: tuple[int, ...]
    extra: dict[int, int]
    different: tuple[int, ...]

    @property
    def divergent(self) -> list[int]:
        """Every id at which the sides differ."""
        return sorted([*self.missing, *self.extra, *self.different])


def compare(connection: psycopg.Connection, index: Index, name: str) -> Comparison:
    """Look at every row and every document, in the order of their ids.

    Each side is read as it is at that time: only of sides that rest is a difference one for sure.
    """
    index.refresh(name)
    left, right = _rows(connection), index.documents(name)
    sums = (hashlib.sha256(), hashlib.sha256())
    counts, missing, different = [0, 0], [], []
    extra: dict[int, int] = {}

    def following(side: int, found: Iterator[Document]) -> Document | None:
        one = next(found, None)
        if one is not None:
            counts[side] += 1
            sums[side].update(json.dumps(one, sort_keys=True).encode())
        return one

    row, other = following(0, left), following(1, right)
    while row or other:
        if other is None or (row is not None and row["id"] < other["id"]):
            assert row is not None
            missing.append(row["id"])
            row = following(0, left)
        elif row is None or other["id"] < row["id"]:
            extra[other["id"]] = other["version"]
            other = following(1, right)
        else:
            if row != other:
                different.append(row["id"])
            row, other = following(0, left), following(1, right)
    digests = (sums[0].hexdigest(), sums[1].hexdigest())
    return Comparison(counts[0], counts[1], digests, tuple(missing), extra, tuple(different))


def repair(connection: psycopg.Connection, index: Index, name: str) -> int:
    """Write every row that differs, delete every document without a row; how many those were.

    Changes may go on meanwhile: a newer version is not written over.

    Raises
    ------
    CheckFailed : the index will not take some of it.
    """
    found = compare(connection, index, name)
    todo = [*found.missing, *found.different, *found.extra]
    for start in range(0, len(todo), _PAGE):
        part = todo[start : start + _PAGE]
        rows = connection.execute(source.ROWS + " WHERE id = ANY (%s)", (part,)).fetchall()
        changes = {row[0]: saved(row) for row in rows}
        for id in part:
            if id not in changes and id in found.extra:
                changes[id] = Change(id, found.extra[id] + 1, None)
        outcome = index.write([name], list(changes.values()), again=True)
        for change, reason in outcome.rejected:
            raise CheckFailed(f"the index does not take row {change.id}: {reason}", "mend that row")
    index.refresh(name)
    return len(todo)


def copy(connection: psycopg.Connection, index: Index, name: str) -> int:
    """Write every row there is now; how many. What the index has newer stays."""
    part: list[Change] = []
    count = 0
    for row in _rows(connection):
        part.append(Change(row["id"], row["version"], row))
        count += 1
        if len(part) == _PAGE:
            index.write([name], part)
            part = []
    if part:
        index.write([name], part)
    return count


def _rows(connection: psycopg.Connection) -> Iterator[Document]:
    """Every row by its id, as of one moment, a page at a time."""
    with connection.transaction(), connection.cursor("rows") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(source.ROWS + " ORDER BY id")
        yield from (document(row) for row in cursor)
