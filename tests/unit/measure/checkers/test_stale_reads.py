from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.checkers.stale_reads import UNKNOWN, Staleness, StaleRead, StaleReads


def read(history: Staleness, key: int, version: int, invoked: float) -> None:
    """A read answered before anything else happened."""
    history.read(key, history.reading(key), version, invoked)


def result(history: Staleness) -> tuple[int, int, float]:
    return history.judged, history.stale, history.max_age


def test_the_newest_version_is_not_stale() -> None:
    history = Staleness([1, 1], 0)
    read(history, 0, 1, 1)
    history.wrote(0, 2, 2)
    read(history, 0, 2, 3)
    read(history, 1, 1, 3)
    # A version not acknowledged yet may be read: the write is still under way.
    read(history, 0, 3, 4)
    assert result(history) == (4, 0, 0)


def test_the_age_counts_from_the_first_version_that_superseded() -> None:
    history = Staleness([1], 0)
    history.wrote(0, 2, 10)
    history.wrote(0, 3, 20)
    read(history, 0, 2, 21)
    assert result(history) == (1, 1, 1)
    read(history, 0, 1, 25)
    assert result(history) == (2, 2, 15)


def test_a_write_acknowledged_after_the_invocation_makes_nothing_stale() -> None:
    history = Staleness([1], 0)
    floor = history.reading(0)
    history.wrote(0, 2, 5)
    history.read(0, floor, 1, 4)
    assert result(history) == (1, 0, 0)


def test_acknowledgements_out_of_order_never_lower_the_floor() -> None:
    history = Staleness([1], 0)
    history.wrote(0, 3, 5)
    history.wrote(0, 2, 6)
    assert history.reading(0) == 3
    # Version 3 was the first acknowledged above both.
    read(history, 0, 1, 7)
    assert result(history) == (1, 1, 2)
    read(history, 0, 2, 10)
    assert result(history) == (2, 2, 5)


def test_a_version_older_than_the_history_is_stale_since_its_start_at_least() -> None:
    history = Staleness([4], 100)
    read(history, 0, 3, 103)
    assert result(history) == (1, 1, 3)


def test_only_keys_of_this_worker_are_judged() -> None:
    history = Staleness([5, 5, 5, 5], 0, worker=1, workers=2)
    for key in range(4):
        assert history.reading(key) == (5 if key % 2 else UNKNOWN)
        history.wrote(key, 6, 1)
        read(history, key, 5, 2)
    assert result(history) == (2, 2, 1)


def test_a_workload_without_versions_is_not_judged() -> None:
    history = Staleness((), 0)
    history.wrote(7, 2, 1)
    read(history, 7, 1, 2)
    assert result(history) == (0, 0, 0)


def test_counts_start_anew_and_knowledge_stays() -> None:
    history = Staleness([1], 0)
    history.wrote(0, 2, 1)
    read(history, 0, 1, 2)
    history.begin()
    assert result(history) == (0, 0, 0)
    read(history, 0, 1, 5)
    assert result(history) == (1, 1, 4)


def test_the_result_has_examples_and_adds_up() -> None:
    history = Staleness([1], 0)
    assert history.result().outcome == "unknown"
    read(history, 0, 1, 1)
    assert history.result().outcome == "valid"
    history.wrote(0, 2, 2)
    read(history, 0, 1, 5)
    result = history.result()
    assert result == StaleReads(2, 1, 3000, (StaleRead(0, 1, 2, 3000),))
    assert result.outcome == "invalid"
    both = result + StaleReads(5, 0, 0, ())
    assert (both.judged, both.stale, both.max_age_ms, both.examples) == (
        7, 1, 3000, result.examples,
    )  # fmt: skip


operations = st.lists(st.tuples(st.sampled_from("wr"), st.integers(0, 3), st.integers(0, 6)))


@given(operations, st.integers(1, 100))
def test_it_agrees_with_a_history_kept_whole(
    steps: list[tuple[str, int, int]], remembered: int
) -> None:
    history = Staleness([1] * 4, 0, remembered=remembered)
    acks: list[tuple[int, int, float]] = [(key, 1, 0.0) for key in range(4)]
    newest = dict.fromkeys(range(4), 1)
    judged = stale = 0
    oldest = 0.0
    for at, (what, key, back) in enumerate(steps, start=1):
        if what == "w":
            newest[key] += 1
            history.wrote(key, newest[key], at)
            acks.append((key, newest[key], at))
            continue
        version = max(newest[key] - back, 0)
        read(history, key, version, at)
        judged += 1
        above = [when for k, v, when in acks if k == key and v > version]
        if above:
            stale += 1
            oldest = max(oldest, at - min(above))
    assert (history.judged, history.stale) == (judged, stale)
    # With enough memory the age is exact, and with too little never more than the truth.
    if remembered >= len(steps):
        assert history.max_age == oldest
    assert history.max_age <= oldest


def test_memory_is_bounded() -> None:
    history = Staleness([1] * 10, 0, remembered=100)
    for n in range(5000):
        history.wrote(n % 10, n, n)
    assert sum(map(len, history._acks.values())) == len(history._order) == 100
