from __future__ import annotations

from array import array

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.histogram import DIGITS, HIGHEST, LOWEST, Histogram

seconds = st.lists(st.floats(0, 4000), min_size=1, max_size=300)


def recorded(values: list[float]) -> Histogram:
    histogram = Histogram()
    histogram.record(array("d", values))
    return histogram


@given(seconds)
def test_bulk_recording_equals_hdrhistograms_own(values: list[float]) -> None:
    reference = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for value in values:
        reference.record_value(min(max(round(value * 1e6), LOWEST), HIGHEST))
    assert recorded(values).counts.tolist() == list(reference.counts)
    for percent in (0.1, 50, 90, 99, 100):
        own = recorded(values).percentile(percent)
        assert own == reference.get_value_at_percentile(percent)
    assert recorded(values).mean == pytest.approx(reference.get_mean_value(), abs=0.5)


@given(seconds)
def test_encoding_is_hdrhistograms_own(values: list[float]) -> None:
    histogram = recorded(values)
    theirs = HdrHistogram.decode(histogram.encode())
    assert theirs.get_total_count() == len(values)
    assert theirs.get_value_at_percentile(99) == histogram.percentile(99)
    assert (Histogram.decode(histogram.encode()).counts == histogram.counts).all()


@given(seconds, seconds)
def test_merging_is_recording_both(first: list[float], second: list[float]) -> None:
    merged = recorded(first)
    merged.merge(recorded(second))
    assert (merged.counts == recorded(first + second).counts).all()
    assert merged.total == len(first) + len(second)


def test_percentiles_are_numpys_to_three_digits() -> None:
    values = np.random.default_rng(1).lognormal(-7, 1.5, 200_000)
    histogram = Histogram()
    for batch in np.array_split(values, 100):
        histogram.record(batch)
    for percent in (1, 25, 50, 95, 99, 99.9):
        expected = np.percentile(values, percent) * 1e6
        assert histogram.percentile(percent) == pytest.approx(expected, rel=0.002, abs=1)
    assert histogram.mean == pytest.approx(values.mean() * 1e6, rel=0.002)
    assert histogram.max == pytest.approx(values.max() * 1e6, rel=0.001)


def test_an_empty_histogram_has_nothing_to_say() -> None:
    empty = Histogram()
    assert (empty.total, empty.percentile(99), empty.mean, empty.max) == (0, 0, 0, 0)
    assert Histogram.decode(empty.encode()).total == 0


def test_memory_is_constant() -> None:
    histogram = recorded([0.001])
    before = histogram.counts.nbytes
    histogram.record(np.linspace(0, 5000, 100_000))
    assert histogram.counts.nbytes == before < 200_000
