"""Messages of PostgreSQL's decoder, put together by hand as its documentation has them."""

from __future__ import annotations

import struct

from scalelab.syncing import _pgoutput
from scalelab.syncing.changes import COLUMNS

_ROW = ("7", "15", "chair", "red", "12.50", "2026-01-02 03:04:05+00")


def _begin(microseconds: int) -> bytes:
    return b"B" + struct.pack(">qqi", 1, microseconds, 2)


def _relation(columns: tuple[str, ...] = COLUMNS) -> bytes:
    parts = b"".join(struct.pack("b", 0) + c.encode() + b"\0" + bytes(8) for c in columns)
    return (
        b"R" + struct.pack(">i", 1) + b"public\0item\0d" + struct.pack(">h", len(columns)) + parts
    )


def _tuple(*values: str | object | None) -> bytes:
    data = struct.pack(">h", len(values))
    for value in values:
        if isinstance(value, str):
            data += b"t" + struct.pack(">i", len(value)) + value.encode()
        else:
            data += b"n" if value is None else b"u"
    return data


def _change(kind: bytes, mark: bytes, values: bytes) -> bytes:
    return kind + struct.pack(">i", 1) + mark + values


def _commit(end: int) -> bytes:
    return b"C" + struct.pack(">bqqq", 0, 1, end, 1)


def test_inserts_updates_and_deletes_are_read() -> None:
    key = _tuple("7", "15", None, None, None, None)
    log = _pgoutput.read(
        [
            _begin(1_000_000),
            _relation(),
            _change(b"I", b"N", _tuple(*_ROW)),
            _change(b"U", b"K", key + b"N" + _tuple("7", "17", *_ROW[2:])),
            _change(b"D", b"K", _tuple("7", "17", None, None, None, None)),
            _commit(0x1_0000_00AB),
        ]
    )
    assert [change.version for change in log.changes] == [15, 17, 18]
    assert [change.document is None for change in log.changes] == [False, False, True]
    assert {change.at for change in log.changes} == {946_684_801.0}
    assert log.position == "1/AB"


def test_columns_may_stand_in_another_order_and_others_among_them() -> None:
    columns = ("title", "note", *(c for c in COLUMNS if c != "title"))
    values = _tuple("chair", None, "7", "15", "red", "12.50", _ROW[5])
    log = _pgoutput.read([_begin(0), _relation(columns), _change(b"I", b"N", values), _commit(1)])
    assert log.changes[0].document is not None
    assert log.changes[0].document["title"] == "chair"
    assert log.changes[0].id == 7


def test_a_long_value_that_did_not_change_makes_the_row_partial() -> None:
    values = _tuple("7", "17", "chair", object(), "12.50", _ROW[5])
    log = _pgoutput.read([_begin(0), _relation(), _change(b"U", b"N", values), _commit(1)])
    assert log.changes == []
    assert log.partial == {7: 946_684_800.0}
