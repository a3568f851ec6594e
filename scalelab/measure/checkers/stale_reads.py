"""Judges reads while they happen: which of them missed a write already acknowledged?

A read is stale when it returns version v of a key, and a larger version of that key had been
acknowledged to its writer before the read was invoked. Its age is how long before: the time from
the acknowledgement of the first version that superseded v to the invocation of the read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A read that missed a write already acknowledged.

    Parameters
    ----------
    version : that it returned.
    floor : the newest version acknowledged before it was invoked.
    """

    key: int
    version: int
    floor: int
    age_ms: float


@dataclass(frozen=True, slots=True)
class StaleReads:
    """What reads missed.

    Parameters
    ----------
    judged : reads of keys whose acknowledged versions were known.
    stale : of them, those that missed one.
    max_age_ms : the largest age of a stale read (0 without one).
    examples : a few of them.
    """

    judged: int
    stale: int
    max_age_ms: float
    examples: tuple[StaleRead, ...]

    def __add__(self, other: StaleReads) -> StaleReads:
        return StaleReads(
            self.judged + other.judged,
            self.stale + other.stale,
            max(self.max_age_ms, other.max_age_ms),
            (self.examples + other.examples)[:EXAMPLES],
        )

    @property
    def outcome(self) -> Outcome:
        return outcome(violated=self.stale > 0, complete=self.judged > 0)


class Staleness:
    """A running history of the versions of keys, as one worker knows it.

    Exact: which reads of judged keys are stale, as long as versions of a key rise by commit order.
    Judged are keys only this worker writes: of the others it does not know what was acknowledged.
    A lower bound: the age, where the first superseding version was acknowledged before this
    history began or more than ``remembered`` writes ago (then counted from what is still known).
    Times are of this worker's clock alone. Memory: 16 bytes a key, and some 150 bytes a
    remembered write; up to 1 KiB of each where no two are of the same key.

    Parameters
    ----------
    versions : the newest version of every key at the start; empty judges nothing.
    started : the time (s) these are known to be acknowledged.
    worker, workers : keys are striped: this worker writes key k when ``k % workers == worker``.
    remembered : how many acknowledgements are kept, over all keys.
    """

    def __init__(
        self,
        versions: Sequence[int],
        started: float,
        worker: int = 0,
        workers: int = 1,
        remembered: int = 50_000,
    ) -> None:
        self._newest = [
            version if key % workers == worker else UNKNOWN for key, version in enumerate(versions)
        ]
        self._remembered = remembered
        # By key, the newest version that is not among the kept acknowledgements, and its time.
        self._base = self._newest.copy()
        self._base_at: dict[int, float] = {}
        self._started = started
        # Acknowledgements by key, oldest first, and the keys of all of them in the same order.
        self._acks: dict[int, deque[tuple[int, float]]] = {}
        self._order: deque[int] = deque()
        self.begin()

    def begin(self) -> None:
        """Count from here on; what is known of versions stays."""
        self.judged = 0
        self.stale = 0
        self.max_age = 0.0
        self._examples: list[StaleRead] = []

    def reading(self, key: int) -> int:
        """The newest version acknowledged so far; to be asked for as the read is invoked."""
        return self._newest[key] if self._newest else UNKNOWN

    def read(self, key: int, floor: int, version: int, invoked: float) -> None:
        """Judge a read.

        Parameters
        ----------
        floor : what :meth:`reading` said as it was invoked.
        version : what it returned.
        invoked : when it was invoked (s).
        """
        if floor == UNKNOWN:
            return
        self.judged += 1
        if version < floor:
            self.stale += 1
            age = invoked - self._superseded(key, version)
            if age > self.max_age:
                self.max_age = age
            if len(self._examples) < EXAMPLES:
                self._examples.append(StaleRead(key, version, floor, 1000 * age))

    def wrote(self, key: int, version: int, at: float) -> None:
        """A write of ``version`` was acknowledged at ``at`` (s, never before an earlier call's)."""
        if not self._newest or self._newest[key] == UNKNOWN:
            return
        if version > self._newest[key]:
            self._newest[key] = version
        acks = self._acks.get(key)
        if acks is None:
            acks = self._acks[key] = deque()
        acks.append((version, at))
        self._order.append(key)
        if len(self._order) > self._remembered:
            self._forget(self._order.popleft())

    def result(self) -> StaleReads:
        """What was found since it began to count."""
        return StaleReads(self.judged, self.stale, 1000 * self.max_age, tuple(self._examples))

    def _forget(self, key: int) -> None:
        acks = self._acks[key]
        version, at = acks.popleft()
        self._base[key] = max(self._base[key], version)
        self._base_at[key] = at
        if not acks:
            del self._acks[key]

    def _superseded(self, key: int, version: int) -> float:
        """When the first version above ``version`` was acknowledged, as far as is known."""
        if version < self._base[key]:
            return self._base_at.get(key, self._started)
        # In the order of acknowledgement; the floor itself is above, so there is one.
        return next(at for newer, at in self._acks[key] if newer > version)
