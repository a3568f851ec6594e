"""Is a register linearizable: could all its operations have happened one by one, each at a moment
while it was under way?

A search over what is possible, event by event: a configuration is a value and the operations under
way that have taken effect already, and when an operation is answered, only those configurations
live on in which it has. This is Wing & Gong's search ("Testing and verifying concurrent objects",
1993) with memoization and just-in-time linearization as in Lowe, "Testing for linearizability"
(2017), and in Jepsen's ``knossos.linear``. A history is linearizable when that of each key is
(Herlihy & Wing 1990), so keys are judged one by one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_
from typing import Any, cast

from scalelab.measure.checkers.outcome import EXAMPLES, Outcome, outcome
from scalelab.measure.history import End, Operation, events

_WORTHWHILE = 64
"""So many operations of a key are judged together, where its pauses allow."""

_UNSURE = 100
"""Writes of unknown outcome a key may have at a time."""

_Configuration = tuple[int, Hashable]
"""Bits of the operations under way that have taken effect, and the value then."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """The first operation of a key that nothing explains.

    Parameters
    ----------
    possible : a few values the register could have had as it was answered, had it not been made.
    """

    operation: Operation
    possible: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Linearizability:
    """What was found of registers.

    Parameters
    ----------
    judged : operations explained, or found to be impossible.
    unjudged : operations of keys given up, of keys there was no memory for, and of a violated key
        after the violation.
    violations : keys whose history is not linearizable.
    reasons : why something was not judged.
    examples : of a few violated keys the first operation that nothing explains.
    """

    judged: int
    unjudged: int
    violations: int
    reasons: tuple[str, ...]
    examples: tuple[Impossible, ...]

    def __add__(self, other: Linearizability) -> Linearizability:
        """Of two sets of keys that have none in common."""
        return Linearizability(
            self.judged + other.judged,
            self.unjudged + other.unjudged,
            self.violations + other.violations,
            tuple(dict.fromkeys(self.reasons + other.reasons))[:EXAMPLES],
            (self.examples + other.examples)[:EXAMPLES],
        )

    @property
    def outcome(self) -> Outcome:
        complete = self.judged > 0 and self.unjudged == 0
        return outcome(violated=self.violations > 0, complete=complete)


class Register:
    """The history of one key.

    Operations are of kind ``read`` (of ``value``), ``write`` (of ``value``) and ``cas`` (``value``
    is the pair expected, new). Failed ones count as never made, and so do reads of unknown outcome;
    a write of unknown outcome may take effect at any time from its invocation on, or never.

    Needs the times of one clock. Memory: ``longest`` operations since it was last settled and 100
    unsure writes (some 200 bytes each), and ``budget`` configurations (some 200 bytes each). The
    search can take time exponential in the number of writes under way together: where the budget
    is spent the key is given up, never guessed.

    Parameters
    ----------
    initial : its value before the first operation.
    longest : give up when more operations wait to be settled.
    budget : give up when settling makes so many configurations.
    """

    def __init__(
        self, initial: Hashable = None, *, longest: int = 5_000, budget: int = 300_000
    ) -> None:
        self._longest, self._budget = longest, budget
        self._waiting: list[Operation] = []
        # The bits of those that have begun before what is settled ends, by their number in waiting.
        self._begun: dict[int, int] = {}
        self._configurations: set[_Configuration] = {(0, initial)}
        # Operations under way by their bit; those of unknown outcome stay for ever.
        self._writes: dict[int, Operation] = {}
        self._reads: dict[Hashable, int] = defaultdict(int)
        self._free: list[int] = []
        self._bits = 0
        self._for_ever = 0
        self._left = budget
        self._fed = self._judged = 0
        self._settled = -math.inf
        self._reason = ""
        self._impossible: Impossible | None = None

    def feed(self, operation: Operation) -> None:
        """An operation is over; in any order between two calls of :meth:`settle`."""
        unread = operation.outcome == "unknown" and operation.kind == "read"
        if operation.outcome == "fail" or unread:
            return
        self._fed += 1
        if self._reason or self._impossible:
            return
        self._waiting.append(operation)
        if len(self._waiting) > self._longest:
            self.give_up(f"more than {self._longest:,} operations beside one")
        elif operation.invoked < self._settled:
            self.give_up("an operation came after others it overlaps were settled")

    @property
    def waiting(self) -> int:
        """Operations fed and not settled."""
        return len(self._waiting)

    def settle(self, until: float = math.inf) -> None:
        """Judge what happened before ``until`` (s), and forget what was over by then.

        All to be fed later must have been invoked at ``until`` or after: it is the invocation of
        the oldest operation under way. Where there is none, leave it out: then what is fed later
        must have been invoked after all that was answered before.
        """
        waiting, begun = self._waiting, self._begun
        over = set()
        self._left = self._budget - len(self._configurations)
        self._settled = max(self._settled, until if until < math.inf else -math.inf)
        for event in events(waiting):
            if event.at >= until:
                break
            operation = waiting[event.number]
            if not event.ends:
                if event.number not in begun:
                    begun[event.number] = self._begin(operation)
            else:
                over.add(event.number)
                if operation.outcome == "ok":
                    self._end(operation, begun[event.number])
                    self._settled = max(self._settled, math.nextafter(event.at, math.inf))
            if self._reason:
                return
            self._judged += event.ends
            if self._impossible:
                return
        left = [number for number in range(len(waiting)) if number not in over]
        self._waiting = [waiting[number] for number in left]
        self._begun = {new: begun[old] for new, old in enumerate(left) if old in begun}

    def result(self) -> Linearizability:
        """Settle, and say what was found."""
        self.settle()
        return Linearizability(
            judged=self._judged,
            unjudged=self._fed - self._judged,
            violations=int(self._impossible is not None),
            reasons=(self._reason,) if self._reason else (),
            examples=(self._impossible,) if self._impossible else (),
        )

    def _begin(self, operation: Operation) -> int:
        if self._free:
            bit = self._free.pop()
        else:
            bit, self._bits = 1 << self._bits, self._bits + 1
        if operation.kind == "read":
            self._reads[operation.value] |= bit
        else:
            self._writes[bit] = operation
            if operation.outcome == "unknown":
                self._for_ever |= bit
                if self._for_ever.bit_count() > _UNSURE:
                    self.give_up(f"more than {_UNSURE} writes of unknown outcome")
        return bit

    def _end(self, operation: Operation, bit: int) -> None:
        """Keep the configurations in which it has taken effect, made of those there are."""
        reads = self._reads
        # A read changes nothing, so it takes effect as soon as its value is there: no choice.
        pending = [(mask | reads.get(value, 0), value) for mask, value in self._configurations]
        seen = set(pending)
        kept: set[_Configuration] = set()
        while pending:
            mask, value = pending.pop()
            if mask & bit:
                kept.add((mask & ~bit, value))
                continue
            for other, write in self._writes.items():
                if mask & other:
                    continue
                new = write.value
                if write.kind == "cas":
                    expected, new = cast(tuple[Hashable, Hashable], write.value)
                    if expected != value:
                        continue
                if other & self._for_ever and not self._wanted(new, mask):
                    continue
                made = (mask | other | reads.get(new, 0), new)
                if made not in seen:
                    self._left -= 1
                    seen.add(made)
                    pending.append(made)
            if self._left < 0:
                self.give_up(f"more than {self._budget:,} ways to order its operations")
                return
        if not kept:
            possible = tuple(dict.fromkeys(value for _, value in seen))[:EXAMPLES]
            self._impossible = Impossible(operation, possible)
            self._forget()
            return
        self._configurations = kept
        self._writes.pop(bit, None)
        if operation.kind == "read":
            reads[operation.value] &= ~bit
            if not reads[operation.value]:
                del reads[operation.value]
        self._free.append(bit)
        if self._for_ever:
            self._drop_used()

    def _wanted(self, value: Hashable, mask: int) -> bool:
        """Whether an operation under way needs that value.

        If none does, a write that need not take effect can do so later, and to wait is never worse.
        """
        if self._reads.get(value, 0) & ~mask:
            return True
        return any(
            write.kind == "cas" and cast(tuple[Hashable, Hashable], write.value)[0] == value
            for bit, write in self._writes.items()
            if not mask & bit
        )

    def _drop_used(self) -> None:
        """Unsure writes that have taken effect in every configuration are over."""
        used = reduce(and_, (mask for mask, _ in self._configurations)) & self._for_ever
        if not used:
            return
        self._configurations = {(mask & ~used, value) for mask, value in self._configurations}
        self._for_ever &= ~used
        while used:
            bit = used & -used
            used ^= bit
            del self._writes[bit]
            self._free.append(bit)

    def give_up(self, reason: str) -> None:
        """What was not settled, and all that follows, is not judged."""
        if not self._impossible:
            self._reason = self._reason or reason
            self._forget()

    def _forget(self) -> None:
        self._waiting, self._begun = [], {}
        self._configurations = set()
        self._writes.clear()
        self._reads.clear()


class Registers:
    """Registers by key, judged while they are in use.

    Operations are told of when they begin and when they are over, in the order of time. What a key
    has gathered is judged now and then up to its oldest operation under way, and forgotten. That
    takes some 15 µs an operation, or 100 where half of eight clients write one key, in pauses of
    milliseconds: for a workload of its own, not beside one whose latency is measured.

    Parameters
    ----------
    initial : the value of a key before its first operation; None by default.
    keys : so many are judged, the first ones used; operations on others are counted as unjudged.
    longest, budget : of each (see :class:`Register`).
    """

    def __init__(
        self,
        initial: Callable[[Any], Hashable] = lambda key: None,
        *,
        keys: int = 1_000,
        longest: int = 5_000,
        budget: int = 300_000,
    ) -> None:
        self._initial = initial
        self._make = partial(Register, longest=longest, budget=budget)
        self._keys = keys
        self._registers: dict[Hashable, Register] = {}
        # By key and session, oldest first: when what is under way was invoked.
        self._under_way: dict[Hashable, dict[int, float]] = {}
        self._settle_at: dict[Hashable, int] = {}
        self._unjudged = 0

    def begin(self, session: int, key: Hashable, at: float) -> None:
        """That session invokes an operation on that key at ``at`` (s)."""
        if key not in self._registers:
            if len(self._registers) >= self._keys:
                return
            self._registers[key] = self._make(self._initial(key))
            self._under_way[key] = {}
            self._settle_at[key] = _WORTHWHILE
        self._under_way[key][session] = at

    def over(self, operation: Operation) -> None:
        """The operation is over, whatever its outcome."""
        key = operation.key
        register = self._registers.get(key)
        if register is None:
            self._unjudged += 1
            return
        del self._under_way[key][operation.session]
        register.feed(operation)
        if register.waiting >= self._settle_at[key]:
            self._settle(key)
            # What is held back by one slow operation is not sorted again for each that follows.
            self._settle_at[key] = 2 * register.waiting + _WORTHWHILE

    def result(self) -> Linearizability:
        """What was found. Where an operation is still under way its key is judged up to there only:
        tell of one that is cut off as over, of unknown outcome.
        """
        for key, under_way in self._under_way.items():
            if under_way:
                self._settle(key)
                self._registers[key].give_up("an operation was still under way")
        reasons = (f"more than {self._keys:,} keys",) if self._unjudged else ()
        found = Linearizability(0, self._unjudged, 0, reasons, ())
        return sum((register.result() for register in self._registers.values()), found)

    def _settle(self, key: Hashable) -> None:
        oldest = next(iter(self._under_way[key].values()), math.inf)
        self._registers[key].settle(oldest)


class Client:
    """One session's use of registers: one operation at a time.

    Parameters
    ----------
    session : its name, different from those of all others that use these registers.
    """

    def __init__(self, registers: Registers, session: int) -> None:
        self._registers, self._session = registers, session
        self._key: Hashable = None
        self._invoked = 0.0

    def begin(self, key: Hashable, at: float) -> None:
        """An operation on that key is invoked at ``at`` (s)."""
        self._key, self._invoked = key, at
        self._registers.begin(self._session, key, at)

    def over(self, kind: str, value: Hashable, at: float, outcome: End = "ok") -> None:
        """It is over at ``at`` (s), whatever its outcome; also one that was cut off."""
        self._registers.over(
            Operation(self._session, kind, self._key, value, self._invoked, at, outcome)
        )


def judge(operations: Iterable[Operation], initial: Hashable = None) -> Linearizability:
    """Judge a whole history, of any keys, in any order (see :class:`Register`)."""
    by_key: dict[Hashable, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    found = Linearizability(0, 0, 0, (), ())
    for history in by_key.values():
        register, settle_at = Register(initial), _WORTHWHILE
        for operation in sorted(history, key=lambda one: one.invoked):
            if register.waiting >= settle_at:
                register.settle(operation.invoked)
                settle_at = 2 * register.waiting + _WORTHWHILE
            register.feed(operation)
        found += register.result()
    return found
