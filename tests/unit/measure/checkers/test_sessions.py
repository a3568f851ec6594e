from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.checkers.sessions import (
    MONOTONIC_READS,
    MONOTONIC_WRITES,
    READ_YOUR_WRITES,
    WRITES_FOLLOW_READS,
    BrokenGuarantee,
    SessionHistory,
)

Step = tuple[str, int, int]


def told(*steps: Step, remembered: int = 10_000) -> SessionHistory:
    """What a session did: r(ead) or w(rote), the key, the version."""
    history = SessionHistory(7, remembered)
    for what, key, version in steps:
        (history.read if what == "r" else history.wrote)(key, version)
    return history


def test_what_comes_first_has_nothing_to_be_judged_by() -> None:
    result = told(("r", 0, 5), ("w", 1, 3)).result()
    assert (result.judged, result.unjudged, result.outcome) == (0, 0, "unknown")


def test_a_session_that_only_goes_on_is_valid() -> None:
    result = told(("r", 0, 5), ("r", 0, 5), ("w", 0, 6), ("r", 0, 6), ("r", 0, 9)).result()
    assert (result.judged, result.examples, result.outcome) == (4, (), "valid")


@pytest.mark.parametrize(
    ("first", "then", "guarantee"),
    [
        (("w", 0, 6), ("r", 0, 5), READ_YOUR_WRITES),
        (("r", 0, 6), ("r", 0, 5), MONOTONIC_READS),
        (("w", 0, 6), ("w", 0, 6), MONOTONIC_WRITES),
        (("r", 0, 6), ("w", 0, 6), WRITES_FOLLOW_READS),
    ],
)
def test_each_guarantee_can_be_broken(first: Step, then: Step, guarantee: str) -> None:
    result = told(first, then).result()
    assert result.examples == (BrokenGuarantee(guarantee, 7, 0, then[2], 6),)
    assert getattr(result, guarantee.replace(" ", "_")) == 1
    assert result.outcome == "invalid"


def test_one_read_can_break_two() -> None:
    result = told(("w", 0, 6), ("r", 0, 6), ("r", 0, 4)).result()
    assert (result.judged, result.read_your_writes, result.monotonic_reads) == (2, 1, 1)


def test_every_read_that_lags_counts_and_the_floor_stays() -> None:
    result = told(("r", 0, 6), ("r", 0, 5), ("r", 0, 5), ("r", 0, 6)).result()
    assert (result.judged, result.monotonic_reads) == (3, 2)


def test_keys_are_apart() -> None:
    assert told(("r", 0, 6), ("r", 1, 1), ("w", 2, 3), ("r", 0, 6)).result().outcome == "valid"


def test_what_was_forgotten_is_said() -> None:
    steps: list[Step] = [("r", key, 5) for key in range(5)]
    result = told(*steps, ("r", 0, 1), remembered=4).result()
    # Forgotten: the first of these, so its second read cannot be judged, nor is it accused.
    assert (result.monotonic_reads, result.unjudged, result.outcome) == (0, 1, "unknown")


def test_what_is_used_is_not_forgotten() -> None:
    steps: list[Step] = []
    for key in range(1, 50):
        steps += [("r", 0, 5), ("r", key, 1)]
    result = told(*steps, ("r", 0, 4), remembered=8).result()
    assert result.monotonic_reads == 1


def test_results_add_up() -> None:
    one, two = told(("r", 0, 2), ("r", 0, 1)).result(), told(("w", 0, 2), ("w", 0, 1)).result()
    both = one + two
    assert (both.judged, both.monotonic_reads, both.monotonic_writes) == (2, 1, 1)
    assert both.examples == one.examples + two.examples


steps = st.lists(
    st.tuples(st.sampled_from("rw"), st.integers(0, 6), st.integers(0, 5)), max_size=40
)


@given(steps, st.integers(2, 20))
def test_it_agrees_with_a_history_kept_whole(steps: list[Step], remembered: int) -> None:
    broken = {"r": [0, 0], "w": [0, 0]}
    judged = 0
    for index, (what, key, version) in enumerate(steps):
        before = [step for step in steps[:index] if step[1] == key]
        judged += bool(before)
        wrote = max((v for w, _, v in before if w == "w"), default=-1)
        read = max((v for w, _, v in before if w == "r"), default=-1)
        # A read may be of the floor itself, a write has to be above it.
        slack = what == "w"
        broken[what][0] += version < wrote + slack
        broken[what][1] += version < read + slack
    result = told(*steps, remembered=remembered).result()
    counted = [
        [result.read_your_writes, result.monotonic_reads],
        [result.monotonic_writes, result.writes_follow_reads],
    ]
    if remembered > 2 * 7:
        assert (result.judged, result.unjudged) == (judged, 0)
        assert counted == [broken["r"], broken["w"]]
    # With too little memory something is missed, nothing is made up, and it is said.
    assert all(a <= b for some, all_ in zip(counted, broken.values(), strict=True)
               for a, b in zip(some, all_, strict=True))  # fmt: skip
    assert result.judged <= judged <= result.judged + result.unjudged


@given(st.lists(st.tuples(st.sampled_from("rw"), st.integers(0, 3)), max_size=60), st.data())
def test_a_store_with_one_copy_is_never_accused(
    plan: list[tuple[str, int]], data: st.DataObject
) -> None:
    newest = dict.fromkeys(range(4), 0)
    sessions = [SessionHistory(0), SessionHistory(1)]
    for what, key in plan:
        session = data.draw(st.sampled_from(sessions))
        if what == "w":
            newest[key] += 1
            session.wrote(key, newest[key])
        else:
            session.read(key, newest[key])
    both = sessions[0].result() + sessions[1].result()
    assert both.examples == ()
    assert both.outcome != "invalid"


def test_memory_is_bounded() -> None:
    history = SessionHistory(0, remembered=100)
    for key in range(5000):
        history.wrote(key, 1)
        history.read(key, 1)
    assert len(history._new) + len(history._old) <= 100
