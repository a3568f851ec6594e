"""Does a session see what it did itself, and never go back in time?

The four session guarantees of Terry et al., "Session guarantees for weakly consistent replicated
data" (1994), for each key by itself, judged by version numbers that rise in commit order:

- read your writes: a read is not older than the session's own acknowledged writes;
- monotonic reads: nor than what the session had read before;
- monotonic writes: a write comes after the session's earlier writes;
- writes follow reads: and after what the session had read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome

READ_YOUR_WRITES = "read your writes"
MONOTONIC_READS = "monotonic reads"
MONOTONIC_WRITES = "monotonic writes"
WRITES_FOLLOW_READS = "writes follow reads"

_NEVER = -1


@dataclass(frozen=True, slots=True)
class BrokenGuarantee:
    """An operation that broke a session guarantee.

    Parameters
    ----------
    version : that it returned.
    floor : the version it had to reach, or as a write to exceed.
    """

    guarantee: str
    session: int
    key: int
    version: int
    floor: int


@dataclass(frozen=True, slots=True)
class SessionGuarantees:
    """What sessions saw.

    Parameters
    ----------
    judged : operations on a key of which the session remembered an earlier one.
    unjudged : operations that may have had an earlier one, forgotten for want of memory.
    read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads : operations that broke
        the guarantee; one can break two.
    examples : a few of them.
    """

    judged: int
    unjudged: int
    read_your_writes: int
    monotonic_reads: int
    monotonic_writes: int
    writes_follow_reads: int
    examples: tuple[BrokenGuarantee, ...]

    def __add__(self, other: SessionGuarantees) -> SessionGuarantees:
        return SessionGuarantees(
            self.judged + other.judged,
            self.unjudged + other.unjudged,
            self.read_your_writes + other.read_your_writes,
            self.monotonic_reads + other.monotonic_reads,
            self.monotonic_writes + other.monotonic_writes,
            self.writes_follow_reads + other.writes_follow_reads,
            (self.examples + other.examples)[:EXAMPLES],
        )

    @property
    def outcome(self) -> Outcome:
        reads, writes = self.read_your_writes + self.monotonic_reads, self.monotonic_writes
        violated = reads + writes + self.writes_follow_reads > 0
        return outcome(violated=violated, complete=self.judged > 0 and self.unjudged == 0)


class SessionHistory:
    """What one session wrote and read last of each key.

    Told in the order in which the session's operations complete (it does one at a time), so it
    needs no clock. Writes of unknown outcome are not told: they promise nothing. Memory: at most
    ``remembered`` keys, some 200 bytes each; of others the least recently used are forgotten, in
    two generations, so that at least half of ``remembered`` most recent keys are known.

    Parameters
    ----------
    session : its number, for the examples.
    remembered : so many keys.
    """

    __slots__ = ("_broken", "_examples", "_forgot", "_half", "_judged", "_new", "_old",
                 "_unjudged", "session")  # fmt: skip

    def __init__(self, session: int, remembered: int = 10_000) -> None:
        self.session = session
        self._half = max(remembered // 2, 1)
        # By key, the newest version written and the newest read.
        self._new: dict[int, tuple[int, int]] = {}
        self._old: dict[int, tuple[int, int]] = {}
        self._forgot = False
        self._judged = self._unjudged = 0
        self._broken = Counter[str]()
        self._examples: list[BrokenGuarantee] = []

    def read(self, key: int, version: int) -> None:
        """A read returned that version."""
        known = self._new.get(key)
        if known is None:
            known = self._recall(key)
        elif known[1] == version >= known[0]:
            # By far the most common: nothing changed.
            self._judged += 1
            return
        wrote, read = known
        if wrote != _NEVER or read != _NEVER:
            self._judged += 1
        if version < wrote:
            self._breaks(READ_YOUR_WRITES, key, version, wrote)
        if version < read:
            self._breaks(MONOTONIC_READS, key, version, read)
        self._new[key] = wrote, max(version, read)

    def wrote(self, key: int, version: int) -> None:
        """A write was acknowledged and made that version."""
        known = self._new.get(key)
        wrote, read = self._recall(key) if known is None else known
        if wrote != _NEVER or read != _NEVER:
            self._judged += 1
        if version <= wrote:
            self._breaks(MONOTONIC_WRITES, key, version, wrote)
        if version <= read:
            self._breaks(WRITES_FOLLOW_READS, key, version, read)
        self._new[key] = max(version, wrote), read

    def result(self) -> SessionGuarantees:
        """What was found so far."""
        return SessionGuarantees(
            judged=self._judged,
            unjudged=self._unjudged,
            read_your_writes=self._broken[READ_YOUR_WRITES],
            monotonic_reads=self._broken[MONOTONIC_READS],
            monotonic_writes=self._broken[MONOTONIC_WRITES],
            writes_follow_reads=self._broken[WRITES_FOLLOW_READS],
            examples=tuple(self._examples),
        )

    def _recall(self, key: int) -> tuple[int, int]:
        """What was known of a key not used in this generation; begins the next if this is full."""
        known = self._old.pop(key, None)
        if known is None:
            known = _NEVER, _NEVER
            self._unjudged += self._forgot
        if len(self._new) >= self._half:
            self._forgot |= bool(self._old)
            self._old, self._new = self._new, {}
        return known

    def _breaks(self, guarantee: str, key: int, version: int, floor: int) -> None:
        self._broken[guarantee] += 1
        if len(self._examples) < EXAMPLES:
            example = BrokenGuarantee(guarantee, self.session, key, version, floor)
            self._examples.append(example)
