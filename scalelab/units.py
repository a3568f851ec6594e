"""Durations, rates and sizes as people write them."""

from __future__ import annotations

import re

from scalelab.errors import UsageError

_NUMBER = r"(\d+(?:\.\d+)?)\s*"
_DURATION = re.compile(_NUMBER + r"(ms|s|m|min|h)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(_NUMBER + r"([kMG]?)B(?:/s)?", re.IGNORECASE)


def seconds(text: str, what: str, low: float, high: float) -> float:
    """Read a duration such as "10s", "1.5s", "250ms", "2m" or "1h".

    Parameters
    ----------
    what : the option it was given to, for the message ("--for").
    low, high : bounds in seconds, both included.

    Raises
    ------
    UsageError : it is none, or out of bounds.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{what} takes a duration with its unit, not {text!r}", "such as 10s, 1.5s, 250ms or 2m"
        )
    value = float(match[1]) * _SECONDS[match[2]]
    if not low <= value <= high:
        raise UsageError(f"{what} {text} is out of range", f"it goes from {low:g} s to {high:g} s")
    return value


def bytes_per_s(text: str, what: str, low: float, high: float) -> float:
    """Read a rate such as "200kB" or "1.5MB/s"; k, M and G are powers of 1000, as networks count.

    Parameters
    ----------
    what : the option it was given to, for the message.
    low, high : bounds in bytes per second, both included.

    Raises
    ------
    UsageError : it is none, or out of bounds.
    """
    match = _RATE.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{what} takes bytes a second, not {text!r}",
            "such as 200kB or 1.5MB/s (bytes, not bits)",
        )
    value = float(match[1]) * 1000.0 ** " KMG".index(match[2].upper() or " ")
    if not low <= value <= high:
        raise UsageError(
            f"{what} {text} is out of range", f"it goes from {rate(low)} to {rate(high)}"
        )
    return value


def quantity(unit: str, text: str, what: str) -> float:
    """Read the value of a fault's option: whoever knows its kind knows what is too much.

    Parameters
    ----------
    unit : "duration" or "rate".
    what : the option it was given to, for the message.

    Raises
    ------
    UsageError : it is no figure of that unit.
    """
    read = seconds if unit == "duration" else bytes_per_s
    return read(text, what, 0, float("inf"))


def rate(value: float) -> str:
    """Bytes per second for people: "200 kB/s"."""
    for unit in ("B/s", "kB/s", "MB/s"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB/s"


def size(count: float) -> str:
    """Bytes for people, of 1024 each: "256 MB", "1.5 kB"."""
    unit = "B"
    for larger in ("kB", "MB", "GB"):
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count:.0f} {unit}" if count >= 10 or count == int(count) else f"{count:.1f} {unit}"


def brief(value: float) -> str:
    """A duration for people: "250 ms", "10 s", "2 min"."""
    if value < 1:
        return f"{1000 * value:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 7200 else f"{value / 3600:.3g} h"
