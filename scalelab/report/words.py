"""How figures are written for people: few digits, no needless ones, never a lie by rounding."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scalelab.model import Budget, Load, Stage


def plural(noun: str) -> str:
    """Several of an operation: reads, queries, searches."""
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def digits(value: float, significant: int) -> str:
    """A number with so many significant digits, without an exponent."""
    # Rounded first: 9.9997 has one digit before the point, what is printed of it has two.
    value = float(f"{value:.{significant}g}")
    if value == 0:
        return "0"
    places = significant
    magnitude = abs(value)
    while magnitude >= 1 and places > 0:
        magnitude /= 10
        places -= 1
    while magnitude < 0.1 and places < significant + 3:
        magnitude *= 10
        places += 1
    return f"{value:.{places}f}"


def thousands(value: float) -> str:
    """A throughput: 812, 2,430, 13.6k, 1.24M."""
    for limit, suffix in ((1e6, "M"), (1e4, "k")):
        # Compared as rounded, so that 9,999.7 is 10.0k and not 10,000.
        if round(value) >= limit:
            unit = 1e6 if suffix == "M" else 1e3
            return digits(value / unit, 3) + suffix
    return f"{value:,.0f}" if value >= 10 or value == 0 else digits(value, 2)


def interval(
    low: float | None, high: float | None, write: Callable[[float], str] = thousands
) -> str:
    """Two bounds in brackets, "" where there are none."""
    return "" if low is None or high is None else f"[{write(low)}, {write(high)}]"


def spread(value: float, high: float | None) -> str:
    """A symmetric interval as a share of its middle: ±2%."""
    if high is None or value <= 0:
        return ""
    share = (high - value) / value
    return f"±{share:.0%}" if share >= 0.01 else "±<1%"


def ms(value: float | None) -> str:
    """A latency: 0.31, 4.2, 17, 1,204; a dash where it is withheld."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 else digits(value, 2)


def share(value: float | None) -> str:
    """A share as a percentage that never rounds something to nothing."""
    if value is None:
        return "–"
    if value == 0:
        return "0%"
    if value < 0.001:
        return "<0.1%"
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def ratio(value: float) -> str:
    """2.43, 24.3, 243, 0.024."""
    return f"{value:.2f}" if 0.1 <= value < 10 else digits(value, 3 if value >= 10 else 2)


def number(value: float) -> str:
    """A number as it was given: 16, 10,000, 0.25."""
    return f"{value:,.12g}"


def listed(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def seconds(value: float) -> str:
    """3 s, 0.5 s."""
    return f"{value:g} s"


def utc(started: float) -> str:
    """A moment: 2026-11-23 00:42:15 UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(started))


def size(count: int | None) -> str:
    """Bytes: 256 MB (of 1024 * 1024)."""
    if count is None:
        return "unlimited memory"
    return f"{count / 1024**3:g} GB" if count >= 1024**3 else f"{count / 1024**2:.0f} MB"


def budget(value: Budget, *, enforced: bool) -> str:
    """What every node may use."""
    cpus = "unlimited CPU" if value.cpus is None else f"{value.cpus:.2f} CPU"
    said = "" if enforced or value.cpus is None else " (not enforced here)"
    return f"every node {cpus}{said}, {room(value)}"


def room(value: Budget) -> str:
    """A node's memory, and its own disk where it has one."""
    disk = "" if value.disk is None else f", disk of {size(value.disk)} in memory"
    return f"{size(value.memory)}{disk}"


def loop(load: Load) -> str:
    """How the load was applied."""
    clients = f"{load.clients} client{'s' * (load.clients != 1)}"
    if load.rate is None:
        return f"closed loop, {clients}"
    if not load.stages:
        return f"open loop, {per_second(load.rate)} planned ({load.arrivals}) over {clients}"
    rates = [stage.rate for stage in load.stages]
    return (
        f"open loop, {len(rates)} stages of {min(rates):,.10g} to {per_second(max(rates))} planned "
        f"({load.arrivals}) over {clients}"
    )


def stage(value: Stage) -> str:
    """A stage of an open loop: 200/s for 2 s."""
    return f"{per_second(value.rate)} for {seconds(value.duration_s)}"


def per_second(rate: float) -> str:
    """A rate as it was asked for: 500/s, 1,234,567/s."""
    return f"{rate:,.10g}/s"
