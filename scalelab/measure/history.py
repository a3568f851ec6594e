"""What correctness is judged from: operations, when each was under way and how it ended.

Times are of one clock, which never goes back, on one machine. Checkers compare times of one history
only, so it does not matter how far the clocks of two machines are apart; nor may histories of two
machines be mixed, except where a checker needs no times at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

End = Literal["ok", "fail", "unknown"]


class Operation(NamedTuple):
    """One operation, invocation and completion together.

    Parameters
    ----------
    session : which client did it; a session does one operation at a time.
    kind : what it did, in its checker's words ("read", "write", "cas").
    value : what it read, or wrote.
    invoked, completed : when (s) it was sent, and when its outcome was known.
    outcome : ``ok``, it took effect; ``fail``, it did not and never will; ``unknown``, it took
        effect, did not or still may: a time-out, or a connection lost while it was under way.
    """

    session: int
    kind: str
    key: Hashable
    value: Hashable
    invoked: float
    completed: float
    outcome: End = "ok"


class Event(NamedTuple):
    """The beginning or the end of an operation, which is ``number`` in its history."""

    at: float
    ends: bool
    number: int


def events(operations: Sequence[Operation]) -> list[Event]:
    """Beginnings and ends in the order of time.

    At equal times beginnings come first: operations that touch count as concurrent, which can
    excuse an anomaly but never accuses a server of one.
    """
    begun = [Event(o.invoked, False, number) for number, o in enumerate(operations)]
    ended = [Event(o.completed, True, number) for number, o in enumerate(operations)]
    return sorted(begun + ended)
