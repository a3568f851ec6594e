"""Was anything there, or delivered, more than once?

Elements are named by who made them and a number that counts up from 0: (session, number). So a
set of millions is a bitmap. Like ``total-queue`` and ``set`` of Jepsen, which keep the elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome

PAGE_BITS = 12
PAGE_BYTES = (1 << PAGE_BITS) // 4
"""A page is of 4096 elements in a row, each with two bits: seen, and above it, seen again."""
LOWER = int.from_bytes(b"\x55" * PAGE_BYTES, "little")
"""The lower bit of every element of a page."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What a :class:`Seen` found.

    Parameters
    ----------
    elements : different ones seen.
    duplicated : of them, those seen more than once.
    copies : sightings beyond the first, of all elements together.
    unjudged : sightings there was no memory for.
    examples : a few duplicated elements.
    """

    elements: int
    duplicated: int
    copies: int
    unjudged: int
    examples: tuple[tuple[int, int], ...]

    @property
    def outcome(self) -> Outcome:
        complete = self.elements > 0 and self.unjudged == 0
        return outcome(violated=self.duplicated > 0, complete=complete)


class Seen:
    """Which elements were seen, once or again: messages delivered, or rows of a final read.

    Needs no clock. Memory: 1 KiB (and its entry, some 100 bytes) for every page, that is 4096
    consecutive numbers of a session, of which one was seen: a quarter of a byte an element where
    numbers are dense.

    Parameters
    ----------
    pages : at most so many pages; sightings beyond are counted as unjudged.
    """

    def __init__(self, pages: int = 1 << 16) -> None:
        self._left = pages
        self._pages: dict[int, dict[int, bytearray]] = {}
        self._copies = 0
        self._unjudged = 0

    def add(self, session: int, number: int) -> None:
        """Element ``number`` of ``session`` was seen."""
        index = number >> PAGE_BITS
        try:
            page = self._pages[session][index]
        except KeyError:
            new = self._page(session, index)
            if new is None:
                self._unjudged += 1
                return
            page = new
        at, once = number >> 2 & PAGE_BYTES - 1, 1 << ((number & 3) << 1)
        if page[at] & once:
            self._copies += 1
            once <<= 1
        page[at] |= once

    def update(self, elements: Iterable[tuple[int, int]]) -> None:
        """All of these were seen."""
        for session, number in elements:
            self.add(session, number)

    def merge(self, other: Seen) -> None:
        """Take in what another (another worker's) saw; one seen by both was seen again."""
        self._copies += other._copies
        self._unjudged += other._unjudged
        for session, pages in other._pages.items():
            for index, theirs in pages.items():
                mine = self._page(session, index)
                if mine is None:
                    self._unjudged += (int.from_bytes(theirs, "little") & LOWER).bit_count()
                    continue
                a, b = int.from_bytes(mine, "little"), int.from_bytes(theirs, "little")
                both = a & b & LOWER
                self._copies += both.bit_count()
                mine[:] = (a | b | both << 1).to_bytes(PAGE_BYTES, "little")

    def sessions(self) -> Iterator[int]:
        """Sessions of which anything was seen."""
        return iter(self._pages)

    def pages(self, session: int) -> dict[int, int]:
        """What was seen of a session, by page: bit 2n for the page's element n, 2n + 1 for again.

        A page begins at its own number times 4096.
        """
        pages = self._pages.get(session, {})
        return {index: int.from_bytes(page, "little") for index, page in pages.items()}

    @property
    def unjudged(self) -> int:
        """Sightings there was no memory for."""
        return self._unjudged

    def result(self) -> Duplicates:
        """What was seen so far."""
        elements = duplicated = 0
        examples: list[tuple[int, int]] = []
        for session in self._pages:
            for index, page in self.pages(session).items():
                again = page >> 1 & LOWER
                elements += (page & LOWER).bit_count()
                duplicated += again.bit_count()
                numbers = islice(numbers_of(again, index), EXAMPLES - len(examples))
                examples += ((session, number) for number in numbers)
        return Duplicates(elements, duplicated, self._copies, self._unjudged, tuple(examples))

    def _page(self, session: int, index: int) -> bytearray | None:
        """That page, made now if there is memory for it."""
        pages = self._pages.get(session, {})
        if index not in pages:
            if self._left == 0:
                return None
            self._left -= 1
            self._pages.setdefault(session, pages)[index] = bytearray(PAGE_BYTES)
        return pages[index]


def numbers_of(bits: int, index: int) -> Iterator[int]:
    """Numbers of the elements of that page whose lower bit is set, smallest first."""
    while bits:
        lowest = bits & -bits
        yield (index << PAGE_BITS) + lowest.bit_length() // 2
        bits ^= lowest
