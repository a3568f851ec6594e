"""Outages out of counts per tick."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.availability import Outage, outages, recovery_s
from scalelab.model import TICK_S

_BUSY = 50


def timeline(*parts: tuple[int, float]) -> list[int]:
    """So many operations a tick for so many seconds, one part after the other."""
    return [count for count, seconds in parts for _ in range(round(seconds / TICK_S))]


def test_a_stretch_without_operations_is_an_outage() -> None:
    counts = timeline((_BUSY, 1), (_BUSY, 2), (0, 0.7), (_BUSY, 1.3))
    (found,) = outages([counts], begun_s=1, duration_s=4) or ()
    assert (found.from_s, found.to_s) == pytest.approx((2, 2.7))
    assert found.lasted_s == pytest.approx(0.7)


def test_the_warm_up_and_what_comes_after_do_not_count() -> None:
    counts = timeline((0, 1), (_BUSY, 2), (0, 1))
    assert outages([counts], begun_s=1, duration_s=2) == ()


def test_a_timeline_that_ends_early_was_silent_to_the_end() -> None:
    counts = timeline((_BUSY, 3))
    (found,) = outages([counts], begun_s=0, duration_s=4) or ()
    assert (found.from_s, found.to_s) == pytest.approx((3, 4))


def test_one_worker_that_serves_is_enough() -> None:
    one, other = timeline((_BUSY, 1), (0, 1)), timeline((0, 1), (_BUSY, 1))
    assert outages([one, other], begun_s=0, duration_s=2) == ()


def test_too_few_operations_tell_nothing() -> None:
    assert outages([timeline((1, 2))], begun_s=0, duration_s=2) is None
    assert outages([], begun_s=0, duration_s=2) is None


@given(st.lists(st.sampled_from([0, _BUSY]), min_size=4, max_size=60))
def test_outages_cover_exactly_the_silent_ticks(counts: list[int]) -> None:
    duration = len(counts) * TICK_S
    found = outages([counts], begun_s=0, duration_s=duration)
    if found is None:
        assert counts.count(_BUSY) * _BUSY / (len(counts) - len(counts) // 2) < 10
        return
    silent = counts.count(0) * TICK_S
    assert sum(outage.lasted_s for outage in found) == pytest.approx(silent)
    for before, after in itertools.pairwise(found):
        assert before.to_s < after.from_s


def test_recovery_is_until_it_serves_for_good() -> None:
    found = (Outage(0.5, 0.6), Outage(2.0, 2.4), Outage(2.6, 3.1), Outage(5, 6))
    assert recovery_s(found, at_s=1.9, until_s=4.5) == pytest.approx(1.2)
    assert recovery_s(found, at_s=3.2, until_s=4.5) == 0
    assert recovery_s((), at_s=1, until_s=2) == 0
