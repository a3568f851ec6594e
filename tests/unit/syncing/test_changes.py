"""The same row gives the same document, and of many changes of a row the newest counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from scalelab.syncing.changes import Change, document, newest, saved

_ROW = (7, 15, "chair", "red", Decimal("12.50"), datetime(2026, 1, 2, 3, 4, 5, 60_000, UTC))


def test_a_row_is_the_same_document_as_objects_and_as_text() -> None:
    berlin = _ROW[5].astimezone(timezone(timedelta(hours=1)))
    text = ("7", "15", "chair", "red", "12.50", "2026-01-02 03:04:05.06+00")
    assert document(_ROW) == document(text) == document((*_ROW[:5], berlin))
    assert document(_ROW)["price"] == 12.5
    assert saved(_ROW, 1.0) == Change(7, 15, document(_ROW), 1.0)


def test_the_newest_change_of_a_row_counts_whatever_their_order() -> None:
    old, deleted, other = Change(1, 3, {}), Change(1, 4, None), Change(2, 5, {})
    assert newest([deleted, old, other]) == [deleted, other]
    assert newest([old, deleted, other]) == [deleted, other]
