"""Does a counter show every increment that was acknowledged, and none that nobody made?

Each read lies within bounds (as Jepsen's ``counter`` checker): at least what had been acknowledged
before it was invoked, at most what had been attempted until it was answered. Decrements widen the
bounds the other way round. A sum that transfers must not change is a counter nobody increments.
"""

from __future__ import annotations

from dataclasses import dataclass

from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome


@dataclass(frozen=True, slots=True)
class CounterRead:
    """A read outside its bounds."""

    low: int
    value: int
    high: int


@dataclass(frozen=True, slots=True)
class CounterReads:
    """What reads of counters showed.

    Parameters
    ----------
    reads : all judged.
    below, above : of them, those that missed acknowledged increments, or showed too much.
    missing, excess : the most by which one was below, or above.
    examples : a few reads out of bounds.
    """

    reads: int
    below: int
    above: int
    missing: int
    excess: int
    examples: tuple[CounterRead, ...]

    def __add__(self, other: CounterReads) -> CounterReads:
        return CounterReads(
            self.reads + other.reads,
            self.below + other.below,
            self.above + other.above,
            max(self.missing, other.missing),
            max(self.excess, other.excess),
            (self.examples + other.examples)[:EXAMPLES],
        )

    @property
    def outcome(self) -> Outcome:
        return outcome(violated=self.below + self.above > 0, complete=self.reads > 0)


class Counter:
    """One counter, as one worker changes and reads it.

    Told in the order in which things happen, so it needs no clock. Exact where this worker is the
    only one that changes the counter; else only what :meth:`merge` has put together may be judged,
    by a read when all is over. Two things it does not find: a read that shows an increment which
    fails later, and misses and excesses that make up for each other. Memory: constant.

    Parameters
    ----------
    initial : its value before the first increment.
    """

    __slots__ = ("_above", "_acked", "_attempted", "_below", "_examples", "_excess", "_missing",
                 "_reads", "initial")  # fmt: skip

    def __init__(self, initial: int = 0) -> None:
        self.initial = initial
        # Of increments and, apart, of decrements (which are negative).
        self._acked = [0, 0]
        self._attempted = [0, 0]
        self._reads = self._below = self._above = self._missing = self._excess = 0
        self._examples: list[CounterRead] = []

    def attempt(self, amount: int) -> None:
        """An increment is invoked."""
        self._attempted[amount < 0] += amount

    def acknowledged(self, amount: int) -> None:
        """It took effect. Of one whose outcome nobody knows nothing is to be said."""
        self._acked[amount < 0] += amount

    def failed(self, amount: int) -> None:
        """It took no effect and never will."""
        self._attempted[amount < 0] -= amount

    def reading(self) -> tuple[int, int]:
        """What is acknowledged so far; to be asked for as a read is invoked."""
        return self._acked[0], self._acked[1]

    def read(self, since: tuple[int, int], value: int) -> None:
        """Judge a read that returned ``value``, ``since`` being what :meth:`reading` said."""
        low = self.initial + since[0] + self._attempted[1]
        high = self.initial + since[1] + self._attempted[0]
        self._reads += 1
        if low <= value <= high:
            return
        self._below += value < low
        self._above += value > high
        self._missing = max(self._missing, low - value)
        self._excess = max(self._excess, value - high)
        if len(self._examples) < EXAMPLES:
            self._examples.append(CounterRead(low, value, high))

    def merge(self, other: Counter) -> None:
        """Take in the increments of another worker, for a read when all is over."""
        for sign in (0, 1):
            self._acked[sign] += other._acked[sign]
            self._attempted[sign] += other._attempted[sign]

    def result(self) -> CounterReads:
        """What was found so far."""
        examples = tuple(self._examples)
        return CounterReads(
            self._reads, self._below, self._above, self._missing, self._excess, examples
        )
