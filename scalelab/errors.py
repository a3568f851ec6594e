"""Every error scalelab raises on purpose: one tree, drawn here.

ScalelabError
├─ CheckFailed            a check or claim failed                    exit 1
│  ├─ Busy                another scalelab is working on the cluster exit 1
│  ├─ AnswerFailed        a learner's file does not do what it should exit 1
│  └─ WorkerLost          a slice lost one of its load workers       exit 1
├─ UsageError             what was asked makes no sense              exit 2
│  └─ UnknownName         no such topology, lab, node, ...           exit 2
├─ RequestFailed          a workload's request; counted by its kind  exit 1
├─ Inconclusive           the run cannot tell                        exit 3
└─ EnvironmentLacks       the machine lacks something                exit 4
   ├─ NodeDied            a server ended while it was starting       exit 4
   └─ PortTaken           another program has a node's port          exit 4

Foreign errors (docker, psycopg, redis, OSError) are translated where they enter.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

INTERRUPTED = 130
"""Exit code of what a Ctrl-C ended."""


class ScalelabError(Exception):
    """What went wrong in one line, and in a second what to do about it.

    Parameters
    ----------
    message : what is wrong, one line.
    hint : what to do, one line; may be empty.
    details : further lines (the end of a log), printed between the two.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class CheckFailed(ScalelabError):
    """A check or a claim failed."""

    exit_code = 1


class Busy(CheckFailed):
    """Another scalelab process is working on this cluster."""


class AnswerFailed(CheckFailed):
    """A learner's file raised, did not end, returned the wrong thing, or failed its check."""


class WorkerLost(CheckFailed):
    """A load worker went in the middle of a slice; what is left can drive the next one."""


class RequestFailed(ScalelabError):
    """A request of a workload that failed: an application may handle it, else the run counts it.

    Parameters
    ----------
    kind : what it is counted under, a few words ("unique violation", "connection lost", "OOM").
    message : the server's own words.
    lost : whether the connection went with it.
    """

    def __init__(self, kind: str, message: str = "", *, lost: bool = False) -> None:
        super().__init__(message or kind)
        self.kind = kind
        self.lost = lost


class UsageError(ScalelabError):
    """What was asked for makes no sense."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing has; suggests the near one.

    Parameters
    ----------
    kind : what was looked for ("topology", "node of shop", ...).
    name : what was typed.
    known : the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        thing, of, owner = kind.partition(" of ")
        plural = _plural(thing) + of + owner
        listed = f"{plural}: {', '.join(names)}" if names else f"there are no {plural}"
        hint = f"did you mean {near[0]!r}? {listed}" if near else listed
        super().__init__(f"there is no {kind} {name!r}", hint)


def _plural(thing: str) -> str:
    if thing.endswith("index"):
        return f"{thing[:-2]}ices"
    return f"{thing[:-1]}ies" if thing[-2:] in ("gy", "ty") else f"{thing}s"


class Inconclusive(ScalelabError):
    """A run that cannot tell."""

    exit_code = 3


class EnvironmentLacks(ScalelabError):
    """This machine lacks something that was asked for."""

    exit_code = 4


class NodeDied(EnvironmentLacks):
    """A server ended while it was starting; the details hold the end of its log."""


class PortTaken(EnvironmentLacks):
    """Another program listens on the port of a node; another port may do."""
