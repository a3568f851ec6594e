"""Latency histograms in HdrHistogram's own layout and format, filled in bulk."""

from __future__ import annotations

from array import array

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3
"""1 µs to 1 h at 3 significant digits: 188 kB, whatever is recorded."""

_HALF_BITS = 10  # a bucket is 2 * 2**10 wide: the least power of two that holds 3 digits
_HALF = 1 << _HALF_BITS
_LENGTH: int = HdrHistogram(LOWEST, HIGHEST, DIGITS).counts_len


class Histogram:
    """Counts of latencies, in microseconds. Memory is constant, and histograms add up."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(_LENGTH, np.int64)

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return int(self.counts.sum())

    def record(self, seconds: array[float] | NDArray[np.float64]) -> None:
        """Record many values at once.

        Parameters
        ----------
        seconds : doubles, as an ``array('d')`` or numpy array. Rounded to the microsecond; what
            lies beyond an hour is counted as an hour, what is below one microsecond as one.
        """
        values = np.frombuffer(seconds, np.float64)
        micros = np.clip(np.rint(values * 1e6), LOWEST, HIGHEST)
        shift = np.maximum(np.frexp(micros)[1] - _HALF_BITS - 1, 0)
        index = (shift << _HALF_BITS) + (micros.astype(np.int64) >> shift)
        self.counts += np.bincount(index, minlength=_LENGTH)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another."""
        self.counts += other.counts

    def percentile(self, percent: float) -> float:
        """The least value that ``percent`` of the recorded values do not exceed, in µs; else 0."""
        if not self.total:
            return 0.0
        wanted = max(int(percent / 100 * self.total + 0.5), 1)
        return float(_highest(int(np.searchsorted(np.cumsum(self.counts), wanted))))

    @property
    def mean(self) -> float:
        """The mean in µs, each value taken as the middle of its bucket; 0 without values."""
        used = np.flatnonzero(self.counts)
        if not used.size:
            return 0.0
        shift = np.maximum((used >> _HALF_BITS) - 1, 0)
        middle = ((used - (shift << _HALF_BITS)) << shift) + (1 << shift) // 2
        return float(np.average(middle, weights=self.counts[used]))

    @property
    def max(self) -> float:
        """The largest value in µs, to 3 digits; 0 without values."""
        return self.percentile(100)

    def encode(self) -> bytes:
        """HdrHistogram's V2 encoding: compressed, base64."""
        hdr = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        used = np.flatnonzero(self.counts)
        if used.size:
            np.frombuffer(hdr.counts, np.int64)[:] = self.counts
            hdr.set_internal_tacking_values(int(used[0]), int(used[-1]), self.total)
        return bytes(hdr.encode())

    @classmethod
    def decode(cls, encoded: bytes) -> Histogram:
        """The histogram that :meth:`encode` gave, or another of the same range and digits."""
        histogram = cls()
        histogram.counts += np.frombuffer(HdrHistogram.decode(encoded).counts, np.int64)
        return histogram


def _highest(index: int) -> int:
    """The largest value, in µs, counted at an index."""
    shift = max((index >> _HALF_BITS) - 1, 0)
    return ((index - (shift << _HALF_BITS) + 1) << shift) - 1
