"""The geometry of the page's figures: where every line, dot, tick and label goes. Pure.

What it looks like (colour, dashes, type) is the template's. A figure is made twice, wide and
narrow, because a picture scaled down to a telephone has letters nobody can read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scalelab.measure.histogram import Histogram
from scalelab.measure.statistics import MARGIN
from scalelab.model import TICK_S
from scalelab.report import words

WIDE, NARROW = 860, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 24, 44
_STEP = 0.04  # of the percentile axis
NINES = 5
"""The percentile axis ends at 99.999, however many samples there are."""


@dataclass(frozen=True)
class Tick:
    """A label at a place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One variant in a plot: a polyline's points, and its dots.

    Parameters
    ----------
    series : the variant's place in the run, which decides its colour and dashes.
    """

    series: int
    points: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Plot:
    """A plot with two axes."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Bar:
    """One ratio in a forest plot: its label above, its interval as a bar, its mean as a mark."""

    series: int
    y: float
    name: str
    figure: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Forest:
    """Ratios on one axis, with the line of no difference and the margin that counts as the same."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    one: float
    same: tuple[float, float]
    x_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Ratio:
    """What a forest plot shows of one variant."""

    series: int
    name: str
    figure: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A throughput as measured at one size, with its interval."""

    at: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scaled:
    """What a scaling plot shows of one variant.

    Parameters
    ----------
    curves : the Universal Scalability Law and Amdahl's, or the one mean of what is not varied.
    knee : the size of the highest throughput, where it is in the plot.
    knee_label : what to write there.
    """

    series: int
    measured: Sequence[Measured]
    curves: Sequence[Sequence[tuple[float, float]]]
    knee: float | None
    knee_label: str


@dataclass(frozen=True)
class Whisker:
    """An interval at a place on the x axis."""

    series: int
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Knee:
    """Where a curve is highest, and the place of its label."""

    series: int
    x: float
    y: float
    label: str
    label_y: float
    anchor: str


@dataclass(frozen=True)
class Scaling(Plot):
    """A scaling plot: the curves as lines of their own, beside the dots of what was measured."""

    thin: tuple[Line, ...]
    whiskers: tuple[Whisker, ...]
    knees: tuple[Knee, ...]


@dataclass(frozen=True)
class Timed:
    """One variant over the measured time.

    Parameters
    ----------
    values : throughput in each ``TICK_S``.
    struck : when something struck it, in seconds, and what.
    """

    series: int
    values: Sequence[float]
    struck: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Strike:
    """The moment of a fault, and the place of its label."""

    series: int
    x: float
    label: str
    label_y: float
    anchor: str


@dataclass(frozen=True)
class Timeline(Plot):
    """Throughput over time, and the moments of faults."""

    strikes: tuple[Strike, ...]


def percentiles(histograms: Sequence[Histogram | None], width: int) -> Plot | None:
    """Latency over percentile, as HdrHistogram plots it: each nine takes as much room.

    Parameters
    ----------
    histograms : of every variant; None where no percentile may be shown.

    Returns
    -------
    None when there is nothing to show.
    """
    curves = {
        series: _curve(histogram)
        for series, histogram in enumerate(histograms)
        if histogram is not None and histogram.total > 1
    }
    if not curves:
        return None
    values = [value for curve in curves.values() for _, value in curve]
    y_low, y_high = _decades(min(values), max(values))
    nines = max(1.0, max(curve[-1][0] for curve in curves.values()))
    left, right, top, bottom, height = _frame(width, 380 if width == WIDE else 300)
    x = _scale(0, nines, left, right)
    y_log = _scale(math.log10(y_low), math.log10(y_high), bottom, top)
    lines = tuple(
        Line(series, _points([(x(at), y_log(math.log10(value))) for at, value in curve]), ())
        for series, curve in curves.items()
    )
    labels = ("0", "90", "99", "99.9", "99.99", "99.999")
    x_ticks = tuple(Tick(x(n), f"{labels[n]}%") for n in range(math.floor(nines) + 1))
    y_ticks = tuple(Tick(y_log(math.log10(v)), f"{v:g}") for v in _one_two_five(y_low, y_high))
    return Plot(width, height, left, right, top, bottom, x_ticks, y_ticks, lines)


def rounds(by_round: Sequence[Sequence[float]], width: int) -> Plot:
    """Throughput of each round, from 0 up."""
    left, right, top, bottom, height = _frame(width, 300 if width == WIDE else 260)
    count = max(len(each) for each in by_round)
    highest = max((value for each in by_round for value in each), default=0.0) or 1.0
    ticks = _linear(highest)
    x = _scale(0.5, count + 0.5, left, right)
    y = _scale(0, max(highest, ticks[-1]), bottom, top)
    lines = []
    for series, each in enumerate(by_round):
        dots = [(x(number), y(value)) for number, value in enumerate(each, 1)]
        lines.append(Line(series, _points(dots), tuple(dots)))
    every = math.ceil(count / (20 if width == WIDE else 10))
    x_ticks = tuple(Tick(x(n), f"{n}") for n in range(1, count + 1, every))
    y_ticks = tuple(Tick(y(value), words.thousands(value)) for value in ticks)
    return Plot(width, height, left, right, top, bottom, x_ticks, y_ticks, tuple(lines))


def timelines(timed: Sequence[Timed], width: int) -> Timeline | None:
    """Throughput over the measured time of a slice, and what struck when; None without any."""
    if not timed:
        return None
    left, right, top, bottom, height = _frame(width, 320 if width == WIDE else 280)
    highest = max((value for each in timed for value in each.values), default=0.0) or 1.0
    seconds = max(len(each.values) for each in timed) * TICK_S
    ticks = _linear(highest)
    x = _scale(0, seconds, left, right)
    y = _scale(0, max(highest, ticks[-1]), bottom, top)
    lines: list[Line] = []
    strikes: list[Strike] = []
    for each in timed:
        dots = [(x((n + 0.5) * TICK_S), y(value)) for n, value in enumerate(each.values)]
        lines.append(Line(each.series, _points(dots), ()))
        for at_s, label in each.struck:
            place = min(x(at_s), right)
            anchor = "start" if place < left + 0.7 * (right - left) else "end"
            # Variants are mostly struck alike: one label says it for all.
            known = {strike.label for strike in strikes}
            said = "" if _short(label, 36) in known else _short(label, 36)
            label_y = top + 12 + 16 * len(known - {""})
            strikes.append(Strike(each.series, place, said, label_y, anchor))
    every = max(1, math.ceil(seconds / (12 if width == WIDE else 6)))
    x_ticks = tuple(Tick(x(n), f"{n}") for n in range(0, math.floor(seconds) + 1, every))
    y_ticks = tuple(Tick(y(value), words.thousands(value)) for value in ticks)
    frame = (width, height, left, right, top, bottom, x_ticks, y_ticks)
    return Timeline(*frame, tuple(lines), tuple(strikes))


def scaling(variants: Sequence[Scaled], width: int) -> Scaling:
    """Throughput over the size, both from 0 up: measured with intervals, and the laws' curves."""
    left, right, top, bottom, height = _frame(width, 400 if width == WIDE else 320)
    sizes = sorted({each.at for variant in variants for each in variant.measured})
    measured = [each for variant in variants for each in variant.measured]
    # Amdahl's law may rise far above what was measured, and so may the interval of two rounds.
    curves = [variant.curves[0] for variant in variants if variant.curves]
    tops = (value for curve in curves for _, value in curve)
    highest = max(*(each.value for each in measured), *tops, 0.0) or 1.0
    highest = max(highest, min(1.25 * highest, max(each.high for each in measured)))
    ticks = _linear(highest)
    x = _scale(0, sizes[-1] * 1.04, left, right)
    y = _scale(0, max(highest, ticks[-1]), bottom, top)
    lines: list[Line] = []
    thin: list[Line] = []
    whiskers: list[Whisker] = []
    knees: list[Knee] = []
    for variant in variants:
        dots = tuple((x(each.at), y(each.value)) for each in variant.measured)
        drawn = [[(x(n), max(top, y(value))) for n, value in curve] for curve in variant.curves]
        lines.append(Line(variant.series, _points(drawn[0]) if drawn else "", dots))
        thin.extend(Line(variant.series, _points(curve), ()) for curve in drawn[1:])
        whiskers.extend(
            Whisker(variant.series, x(each.at), y(each.low), max(top, y(each.high)))
            for each in variant.measured
            if each.high > each.low
        )
        if variant.knee is not None:
            at = min(variant.curves[0], key=lambda point: abs(point[0] - (variant.knee or 0)))
            place = x(variant.knee)
            # The label stands where the next measured point is farther away.
            before = place - max((x(n) for n in sizes if x(n) <= place), default=left)
            behind = min((x(n) for n in sizes if x(n) > place), default=right) - place
            label_y = bottom - 8 - 16 * len(knees)
            anchor = "end" if before > behind else "start"
            knees.append(Knee(variant.series, place, y(at[1]), variant.knee_label, label_y, anchor))
    kept: list[Tick] = []
    for size in reversed(sizes):
        tick = Tick(x(size), f"{words.number(size)}")
        if all(abs(tick.at - other.at) >= 10 + 7 * len(tick.text) for other in kept):
            kept.append(tick)
    y_ticks = tuple(Tick(y(value), words.thousands(value)) for value in ticks)
    frame = (width, height, left, right, top, bottom, tuple(reversed(kept)), y_ticks)
    return Scaling(*frame, tuple(lines), tuple(thin), tuple(whiskers), tuple(knees))


def forest(ratios: Sequence[Ratio], width: int) -> Forest | None:
    """Ratios with their intervals on a logarithmic axis; None when there are none."""
    if not ratios:
        return None
    low = min(1 / 1.25, *(ratio.low for ratio in ratios)) / 1.1
    high = max(1.25, *(ratio.high for ratio in ratios)) * 1.1
    row, left, right, top = 46, 16, width - 16, 12
    bottom = top + row * len(ratios) + 4
    scale = _scale(math.log(low), math.log(high), left, right)
    kept: list[Tick] = []
    for value in _by_roundness(low, high):
        tick = Tick(scale(math.log(value)), f"{words.number(value)}x")
        if all(abs(tick.at - other.at) >= 46 for other in kept):
            kept.append(tick)
    letters = int((right - left) / 6.4)
    bars = tuple(
        Bar(
            ratio.series,
            top + row * number + 32,
            _short(ratio.name, max(8, letters - len(ratio.figure) - 2)),
            ratio.figure,
            *(scale(math.log(v)) for v in (ratio.low, ratio.middle, ratio.high)),
        )
        for number, ratio in enumerate(ratios)
    )
    same = (scale(-math.log(MARGIN)), scale(math.log(MARGIN)))
    return Forest(width, bottom + 30, left, right, top, bottom, scale(0), same, tuple(kept), bars)


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    """Latency in ms by nines, as far as one sample is expected beyond."""
    end = min(math.log10(histogram.total), NINES)
    steps = max(1, math.ceil(end / _STEP))
    at = [end * step / steps for step in range(steps + 1)]
    return [(nine, max(histogram.percentile(100 - 100 / 10**nine), 1.0) / 1000) for nine in at]


def _frame(width: int, height: int) -> tuple[float, float, float, float, int]:
    return _LEFT, width - _RIGHT, _TOP, height - _BOTTOM, height


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Values from ``low`` to ``high`` to pixels, to a tenth."""
    span = (high - low) or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 1)


def _points(dots: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in dots)


def _decades(low: float, high: float) -> tuple[float, float]:
    """The nearest of 1, 2, 5 times a power of ten that enclose the values."""
    ladder = list(_one_two_five(low / 10, high * 10, thin=False))
    below = max(value for value in ladder if value <= low)
    above = min(value for value in ladder if value >= high)
    return (below, above) if above > below else (below, above * 2)


def _by_roundness(low: float, high: float) -> Iterator[float]:
    """Ratios worth a tick, the roundest first."""
    yield 1.0
    yield from (v for v in _one_two_five(low, high) if v != 1)
    yield from (v for v in (1.5, 3, 0.8, 2.5, 1.2, 0.7, 0.9, 1.1, 1.3) if low <= v <= high)


def _one_two_five(low: float, high: float, *, thin: bool = True) -> Iterator[float]:
    """Round values in a range; over many decades only one each, unless not to be thinned."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if not thin or high / low <= 2000 else (1,)
    for power in range(first, last + 1):
        for step in steps:
            value = float(f"{step}e{power}")
            if low * 0.999 <= value <= high * 1.001:
                yield value


def _linear(highest: float) -> list[float]:
    """Round values from 0 to just above the highest."""
    power = 10 ** math.floor(math.log10(highest))
    step = next(s * power for s in (0.2, 0.25, 0.5, 1, 2, 2.5) if highest / (s * power) <= 5)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
