"""``--rate`` as it is typed: arrivals per second, or stages of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.model import Stage

MAX_STAGES = 20
_MAX_RATE = 1e7
_DURATION_S = (0.1, 86_400.0)
_NUMBER = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_PLAIN = "such as: --rate 500"
_STAGED = "stages are RATE:SECONDS, such as: --rate 200:2,800:1,200:2"


def parse(text: str) -> tuple[float, tuple[Stage, ...]]:
    """The mean rate per second, and the stages it changes in (none where it does not: ``500``).

    Parameters
    ----------
    text : ``500``, or stages as ``RATE:SECONDS,RATE:SECONDS``.

    Raises
    ------
    UsageError : it is neither.
    """
    if ":" not in text:
        if "," in text:
            raise UsageError(f"--rate {text!r} does not say how long each rate lasts", _STAGED)
        return _rate(text, _PLAIN), ()
    parts = text.split(",")
    if len(parts) > MAX_STAGES:
        raise UsageError(f"--rate takes at most {MAX_STAGES} stages, not {len(parts)}", _STAGED)
    stages = tuple(_stage(part) for part in parts)
    seconds = sum(stage.duration_s for stage in stages)
    if seconds > _DURATION_S[1]:
        raise UsageError(
            f"the stages of --rate take {seconds:g} s together, more than {_DURATION_S[1]:g} s",
            _STAGED,
        )
    return sum(stage.rate * stage.duration_s for stage in stages) / seconds, stages


def _stage(text: str) -> Stage:
    from scalelab.model import Stage

    rate, colon, seconds = text.partition(":")
    if not colon:
        raise UsageError(f"the stage {text.strip()!r} of --rate has no seconds", _STAGED)
    low, high = _DURATION_S
    duration = _number(seconds)
    if duration is None or not low <= duration <= high:
        raise UsageError(
            f"a stage of --rate takes {low:g} to {high:g} seconds, not {seconds.strip()!r}", _STAGED
        )
    return Stage(_rate(rate, _STAGED), duration)


def _rate(text: str, example: str) -> float:
    rate = _number(text)
    if rate is None or not 0 < rate < _MAX_RATE:
        raise UsageError(
            f"--rate takes arrivals per second, above 0 and below {_MAX_RATE:,.0f}, "
            f"not {text.strip()!r}",
            example,
        )
    return rate


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None
