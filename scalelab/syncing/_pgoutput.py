"""What PostgreSQL's own decoder (``pgoutput``, protocol 1) says of the table ``item``.

The format: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from scalelab.syncing.changes import COLUMNS, Change, saved

_EPOCH = 946_684_800
"""2000-01-01 in seconds since 1970: PostgreSQL's own."""
UNCHANGED = object()
"""A long value that an update did not touch: the log does not have it."""


@dataclass
class Log:
    """What was read.

    Attributes
    ----------
    changes : in the order of their commits.
    partial : rows that changed and are not in the log as a whole, by id, and when.
    position : the end of the last commit, as a position of the log ("0/16B3748").
    """

    changes: list[Change] = field(default_factory=list)
    partial: dict[int, float] = field(default_factory=dict)
    position: str = ""


def read(messages: Iterable[bytes]) -> Log:
    """The changes that messages of whole transactions speak of."""
    log, at, columns = Log(), 0.0, list(COLUMNS)
    for message in messages:
        kind, rest = message[:1], message[1:]
        if kind == b"B":
            at = _EPOCH + struct.unpack_from(">q", rest, 8)[0] / 1e6
        elif kind == b"R":
            columns = _columns(rest)
        elif kind in b"IU":
            _saved(dict(zip(columns, _new(rest), strict=True)), at, log)
        elif kind == b"D":
            key = dict(zip(columns, _tuple(rest, 5)[0], strict=True))
            # The even number after a row's last version is that of its delete.
            log.changes.append(Change(int(str(key["id"])), int(str(key["version"])) + 1, None, at))
        elif kind == b"C":
            end = struct.unpack_from(">q", rest, 9)[0]
            log.position = f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
    return log


def _saved(values: dict[str, object], at: float, log: Log) -> None:
    row = [values[name] for name in COLUMNS]
    if UNCHANGED in row:
        log.partial[int(str(values["id"]))] = at
    else:
        log.changes.append(saved(row, at))


def _columns(message: bytes) -> list[str]:
    """The names of a table's columns, in the order of its tuples."""
    offset = 4
    for _ in ("schema", "table"):
        offset = message.index(b"\0", offset) + 1
    (count,) = struct.unpack_from(">h", message, offset + 1)
    offset += 3
    names = []
    for _ in range(count):
        end = message.index(b"\0", offset + 1)
        names.append(message[offset + 1 : end].decode())
        offset = end + 9
    return names


def _new(message: bytes) -> list[object]:
    """The row that an insert or update left."""
    offset = 4
    if message[offset : offset + 1] in (b"K", b"O"):  # what identified it before
        _, offset = _tuple(message, offset + 1)
    return _tuple(message, offset + 1)[0]


def _tuple(message: bytes, offset: int) -> tuple[list[object], int]:
    """Values as text, and where they end."""
    (count,) = struct.unpack_from(">h", message, offset)
    offset += 2
    values: list[object] = []
    for _ in range(count):
        kind = message[offset : offset + 1]
        offset += 1
        if kind == b"t":
            (length,) = struct.unpack_from(">i", message, offset)
            offset += 4
            values.append(message[offset : offset + length].decode())
            offset += length
        else:
            values.append(UNCHANGED if kind == b"u" else None)
    return values, offset
