"""A file's lines, as they are met in the wild: byte order marks, Latin-1, one line without end."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scalelab.corpora._corpus import Note, Reject
from scalelab.errors import UsageError

LONGEST = 200 * 1024**2
"""Bytes of one line that are still read; no server takes a document as large."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """A source to read bytes from, after a mark of UTF-8 if it begins with one.

    Raises
    ------
    UsageError : it is no file, cannot be read, is empty, or is UTF-16.
    """
    if path is None:
        raise UsageError("this kind of corpus is read from a file", "name the file")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file", "name a file in it")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "look at how it is written") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "mend that first") from None
    with file:
        start = file.peek(4)[:4]
        if not start:
            raise UsageError(f"{path} is empty", "there is nothing to read in it")
        if start.startswith(_UTF16):
            raise UsageError(
                f"{path} is UTF-16", f"convert it first: iconv -f UTF-16 -t UTF-8 {path}"
            )
        if start.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        yield file


def lines(
    path: Path | None, reject: Reject, note: Note, longest: int = LONGEST
) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1, and its end.

    A line that is not UTF-8 is read as Latin-1, which is noted once; one that is longer than
    ``longest`` bytes is rejected, and never held as a whole.

    Raises
    ------
    UsageError : see ``opened``.
    """
    with opened(path) as file:
        decode = Decoder(note)
        number = 0
        while raw := file.readline(longest + 1):
            number += 1
            if len(raw) > longest:
                reject(f"line {number}", f"longer than {longest:,} bytes")
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(2**20)
                continue
            yield number, decode(raw, f"line {number}")


class Decoder:
    """UTF-8, and Latin-1 where it is not; the first time is noted."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._noted = False

    def __call__(self, raw: bytes, where: str) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            if not self._noted:
                self._note(f"{where} is not UTF-8: it is read as Latin-1, as are others like it")
                self._noted = True
            return raw.decode("latin-1")
