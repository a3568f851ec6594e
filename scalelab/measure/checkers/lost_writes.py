"""Which acknowledged writes are not there in the end?

Every write adds an element of its own, (session, number), and a final read, taken once everything
is healed and settled, says which are there. As Jepsen's ``set`` checker: acknowledged and absent is
lost; of unknown outcome and present is recovered; present though it failed is a ghost; present
though never attempted is unexpected.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from scalelab.measure.checkers.duplicates import LOWER, PAGE_BITS, PAGE_BYTES, Seen, numbers_of
from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome

_MARK = 8
"""Of so many adds in a row one has its time kept."""


class Adds:
    """The adds of one session, in the order it attempts them: one at a time, numbered from 0.

    Memory: three quarters of a byte an add (two bits of outcome; a time of four bytes for every
    eighth). Plain data: it crosses processes.

    Parameters
    ----------
    session : its name, different from that of every other in the run (all workers, all rounds).
    started : a time (s) all its times count from; for sessions of several workers the moment they
        began together, each by its own clock.
    """

    __slots__ = ("_ended", "_marks", "_outcomes", "_started", "attempts", "session")

    def __init__(self, session: int, started: float) -> None:
        self.session = session
        self.attempts = 0
        self._started = started
        self._ended = started
        # By number: bit 2n, it was acknowledged; bit 2n + 1, it failed; neither, nobody knows.
        self._outcomes = bytearray()
        self._marks = array("f")

    def attempt(self, at: float) -> int:
        """The number of the next element, whose add is invoked at ``at`` (s)."""
        number = self.attempts
        self.attempts = number + 1
        self._ended = at
        if not number & 3:
            self._outcomes.append(0)
            if not number & _MARK - 1:
                self._marks.append(at - self._started)
        return number

    def acknowledged(self, number: int) -> None:
        """The add took effect: the server said so. Also after a retry of the same element."""
        self._outcomes[number >> 2] |= 1 << ((number & 3) << 1)

    def failed(self, number: int) -> None:
        """The add took no effect and never will. Of a time-out nothing is to be said."""
        self._outcomes[number >> 2] |= 2 << ((number & 3) << 1)

    def end(self, at: float) -> None:
        """The session ended at ``at`` (s); without, its last attempt stands for its end."""
        self._ended = at

    def page(self, index: int) -> tuple[int, int, int]:
        """Attempted, acknowledged and failed elements of a page, at the bits ``Seen.pages`` has."""
        begins = index * PAGE_BYTES
        whole = int.from_bytes(self._outcomes[begins : begins + PAGE_BYTES], "little")
        attempts = min(max(self.attempts - (index << PAGE_BITS), 0), 1 << PAGE_BITS)
        acknowledged = whole & LOWER
        return LOWER & (1 << 2 * attempts) - 1, acknowledged, whole >> 1 & LOWER & ~acknowledged

    def between(self, number: int) -> tuple[float, float]:
        """Two times (ms since the start) between which the add's outcome became known."""
        mark = number // _MARK
        after = 1000 * self._marks[mark]
        last = mark + 1 == len(self._marks)
        return after, max(after, self.lasted_ms if last else 1000 * self._marks[mark + 1])

    @property
    def lasted_ms(self) -> float:
        """From its start to its end."""
        return 1000 * (self._ended - self._started)


@dataclass(frozen=True, slots=True)
class LostWrite:
    """A write that was promised and is gone.

    Parameters
    ----------
    after_ms, before_ms : it was acknowledged between these (since its session's start).
    """

    session: int
    number: int
    after_ms: float
    before_ms: float


@dataclass(frozen=True, slots=True)
class LostWrites:
    """What became of all writes.

    Parameters
    ----------
    attempted, acknowledged, failed, unsure : writes by the outcome their client saw.
    lost : acknowledged and not there.
    recovered : unsure and there.
    ghosts : failed and there.
    unexpected : there and never attempted.
    duplicated : there more than once; whether that is wrong, ``duplicates`` says.
    first_ms, last_ms : all lost writes were acknowledged between these, since the start of their
        sessions; None without any.
    oldest_ms : a lost write was acknowledged at most so long before its session ended.
    unjudged : sightings of the final read there was no memory for: with any, nothing is judged.
    read : whether there was a final read.
    examples : a few lost writes.
    """

    attempted: int
    acknowledged: int
    failed: int
    unsure: int
    lost: int
    recovered: int
    ghosts: int
    unexpected: int
    duplicated: int
    first_ms: float | None
    last_ms: float | None
    oldest_ms: float | None
    unjudged: int
    read: bool
    examples: tuple[LostWrite, ...]

    @property
    def outcome(self) -> Outcome:
        whole = self.read and self.unjudged == 0
        wrong = self.lost or self.ghosts or self.unexpected
        # A sighting not kept may be of the very element that seems lost.
        return outcome(violated=whole and wrong > 0, complete=whole and self.acknowledged > 0)


def judge(written: Iterable[Adds], found: Seen | None) -> LostWrites:
    """Compare what sessions added with what is there in the end.

    Parameters
    ----------
    written : of all sessions of all workers: an element of no session here is unexpected.
    found : all elements of the final read; None where there was none, and nothing is judged.
    """
    tally = _Tally()
    sessions = set()
    for adds in written:
        sessions.add(adds.session)
        tally.of(adds, {} if found is None else found.pages(adds.session), found is not None)
    if found is not None:
        for session in found.sessions():
            if session not in sessions:
                for page in found.pages(session).values():
                    tally.stranger(page)
    return LostWrites(
        attempted=tally.attempted,
        acknowledged=tally.acknowledged,
        failed=tally.failed,
        unsure=tally.attempted - tally.acknowledged - tally.failed,
        lost=tally.lost,
        recovered=tally.recovered,
        ghosts=tally.ghosts,
        unexpected=tally.unexpected,
        duplicated=tally.duplicated,
        first_ms=tally.first_ms,
        last_ms=tally.last_ms,
        oldest_ms=tally.oldest_ms,
        unjudged=0 if found is None else found.unjudged,
        read=found is not None,
        examples=tuple(tally.examples),
    )


class _Tally:
    """Counts, page by page."""

    def __init__(self) -> None:
        self.attempted = self.acknowledged = self.failed = 0
        self.lost = self.recovered = self.ghosts = self.unexpected = self.duplicated = 0
        self.first_ms: float | None = None
        self.last_ms: float | None = None
        self.oldest_ms: float | None = None
        self.examples: list[LostWrite] = []

    def of(self, adds: Adds, found: Mapping[int, int], read: bool) -> None:
        """One session's adds against what was found of it."""
        last = adds.attempts - 1 >> PAGE_BITS
        for index in range(last + 1):
            attempted, acknowledged, failed = adds.page(index)
            self.attempted += attempted.bit_count()
            self.acknowledged += acknowledged.bit_count()
            self.failed += failed.bit_count()
            if not read:
                continue
            page = found.get(index, 0)
            there = page & LOWER
            self.recovered += (there & attempted & ~acknowledged & ~failed).bit_count()
            self.ghosts += (there & failed).bit_count()
            self.unexpected += (there & ~attempted).bit_count()
            self.duplicated += (page >> 1 & LOWER).bit_count()
            self._lost(adds, acknowledged & ~there, index)
        for index, page in found.items():
            if not 0 <= index <= last:
                self.stranger(page)

    def stranger(self, page: int) -> None:
        """A page of elements that nobody attempted."""
        self.unexpected += (page & LOWER).bit_count()
        self.duplicated += (page >> 1 & LOWER).bit_count()

    def _lost(self, adds: Adds, lost: int, index: int) -> None:
        if not lost:
            return
        self.lost += lost.bit_count()
        for number in islice(numbers_of(lost, index), EXAMPLES - len(self.examples)):
            self.examples.append(LostWrite(adds.session, number, *adds.between(number)))
        first, _ = adds.between(next(numbers_of(lost, index)))
        _, last = adds.between((index << PAGE_BITS) + (lost.bit_length() - 1) // 2)
        self.first_ms = first if self.first_ms is None else min(first, self.first_ms)
        self.last_ms = last if self.last_ms is None else max(last, self.last_ms)
        self.oldest_ms = max(self.oldest_ms or 0.0, adds.lasted_ms - first)
