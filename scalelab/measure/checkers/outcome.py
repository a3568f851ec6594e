"""What a checker finds in the end, in three words."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["valid", "invalid", "unknown"]

EXAMPLES = 5
"""How many examples of an anomaly a result keeps."""


def outcome(*, violated: bool, complete: bool) -> Outcome:
    """The outcome of a judgement.

    Parameters
    ----------
    violated : an anomaly was found; nothing not looked at can undo that.
    complete : all was looked at, and there was something to look at.
    """
    if violated:
        return "invalid"
    return "valid" if complete else "unknown"
