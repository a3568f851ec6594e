from __future__ import annotations

import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.checkers.duplicates import Seen
from scalelab.measure.checkers.lost_writes import Adds, LostWrite, LostWrites, judge


def adds(session: int, outcomes: str, started: float = 0.0) -> Adds:
    """Adds by their outcome, one letter each: ok, fail or unknown; one begins every second."""
    history = Adds(session, started)
    for second, outcome in enumerate(outcomes):
        number = history.attempt(started + second)
        if outcome == "o":
            history.acknowledged(number)
        elif outcome == "f":
            history.failed(number)
    history.end(started + len(outcomes))
    return history


def seen(*elements: tuple[int, int]) -> Seen:
    found = Seen()
    found.update(elements)
    return found


def counts(result: LostWrites) -> dict[str, int]:
    names = ("lost", "recovered", "ghosts", "unexpected", "duplicated")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def test_all_acknowledged_writes_there_is_valid() -> None:
    result = judge([adds(0, "oo"), adds(1, "o")], seen((0, 0), (0, 1), (1, 0)))
    assert (result.attempted, result.acknowledged, result.outcome) == (3, 3, "valid")
    assert counts(result) == {}
    assert (result.first_ms, result.last_ms, result.oldest_ms) == (None, None, None)


def test_an_acknowledged_write_not_there_is_lost() -> None:
    result = judge([adds(0, "ooo")], seen((0, 0), (0, 2)))
    assert counts(result) == {"lost": 1}
    assert result.outcome == "invalid"
    assert [(one.session, one.number) for one in result.examples] == [(0, 1)]


def test_an_unsure_write_may_be_there_or_not() -> None:
    result = judge([adds(0, "ouu")], seen((0, 0), (0, 2)))
    assert (result.unsure, counts(result), result.outcome) == (2, {"recovered": 1}, "valid")


def test_a_failed_write_that_is_there_is_a_ghost() -> None:
    result = judge([adds(0, "off")], seen((0, 0), (0, 1)))
    assert (result.failed, counts(result), result.outcome) == (2, {"ghosts": 1}, "invalid")


@pytest.mark.parametrize("element", [(0, 2), (0, 5000), (0, -1), (3, 0)])
def test_what_nobody_attempted_is_unexpected(element: tuple[int, int]) -> None:
    result = judge([adds(0, "oo")], seen((0, 0), (0, 1), element, element))
    assert counts(result) == {"unexpected": 1, "duplicated": 1}
    assert result.outcome == "invalid"


def test_a_duplicate_is_counted_and_loses_nothing() -> None:
    result = judge([adds(0, "oo")], seen((0, 0), (0, 1), (0, 1)))
    assert (counts(result), result.outcome) == ({"duplicated": 1}, "valid")


def test_a_retry_that_is_acknowledged_counts_as_acknowledged() -> None:
    history = adds(0, "f")
    history.acknowledged(0)
    result = judge([history], seen((0, 0)))
    assert (result.acknowledged, result.failed, result.outcome) == (1, 0, "valid")


def test_without_a_final_read_nothing_is_known() -> None:
    result = judge([adds(0, "ofu")], None)
    assert (result.acknowledged, result.failed, result.unsure) == (1, 1, 1)
    assert (counts(result), result.read, result.outcome) == ({}, False, "unknown")


def test_a_final_read_of_nothing_loses_everything() -> None:
    result = judge([adds(0, "o" * 9)], seen())
    assert (result.lost, len(result.examples), result.outcome) == (9, 5, "invalid")


def test_nothing_acknowledged_is_no_finding() -> None:
    assert judge([adds(0, "uu")], seen()).outcome == "unknown"
    assert judge([], seen()).outcome == "unknown"


def test_a_final_read_that_did_not_fit_accuses_nobody() -> None:
    found = Seen(pages=1)
    found.update([(0, 0), (1, 0)])
    result = judge([adds(0, "o"), adds(1, "o")], found)
    assert (result.unjudged, result.outcome) == (1, "unknown")


def test_lost_writes_have_the_time_they_were_acknowledged() -> None:
    # Each eighth has its time kept: 20 is acknowledged between the attempts of 16 and 24.
    history = adds(4, "o" * 40, started=1000)
    there = [(4, number) for number in range(40) if number not in (20, 39)]
    result = judge([history], seen(*there))
    assert result.examples == (LostWrite(4, 20, 16e3, 24e3), LostWrite(4, 39, 32e3, 40e3))
    assert (result.first_ms, result.last_ms, result.oldest_ms) == (16e3, 40e3, 24e3)


def test_a_session_that_never_said_it_ended_did_with_its_last_attempt() -> None:
    history = Adds(0, started=10)
    for second in range(3):
        history.acknowledged(history.attempt(10.0 + second))
    result = judge([history], seen((0, 0), (0, 1)))
    assert result.examples == (LostWrite(0, 2, 0, 2e3),)


def test_clocks_of_workers_need_not_agree() -> None:
    histories = [adds(0, "ooo", started=5e6), adds(1, "ooo", started=-3)]
    result = judge(histories, seen((0, 0), (1, 0)))
    assert (result.lost, result.first_ms, result.last_ms) == (4, 0, 3000)


def test_it_crosses_processes() -> None:
    history = pickle.loads(pickle.dumps(adds(0, "oufo")))
    assert judge([history], seen((0, 0))) == judge([adds(0, "oufo")], seen((0, 0)))


session = st.text("ouf", max_size=20)
rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 21)), max_size=60)


@given(st.lists(session, max_size=3), rows, st.lists(st.integers(0, 60)))
def test_it_agrees_with_sets(
    outcomes: list[str], found: list[tuple[int, int]], cuts: list[int]
) -> None:
    written = {
        (which, number): outcome
        for which, letters in enumerate(outcomes)
        for number, outcome in enumerate(letters)
    }
    there = set(found)
    result = judge([adds(which, letters) for which, letters in enumerate(outcomes)], seen(*found))
    by = {letter: {one for one, o in written.items() if o == letter} for letter in "ouf"}
    assert (result.acknowledged, result.unsure, result.failed) == tuple(
        len(by[letter]) for letter in "ouf"
    )
    assert result.lost == len(by["o"] - there)
    assert result.recovered == len(by["u"] & there)
    assert result.ghosts == len(by["f"] & there)
    assert result.unexpected == len(there - written.keys())
    assert result.duplicated == sum(found.count(one) > 1 for one in there)
    assert all((one.session, one.number) in by["o"] - there for one in result.examples)


@given(st.lists(session, min_size=1, max_size=3), st.data())
def test_a_correct_store_is_never_accused_and_a_loss_always_found(
    outcomes: list[str], data: st.DataObject
) -> None:
    there, promised = [], []
    for which, letters in enumerate(outcomes):
        for number, outcome in enumerate(letters):
            if outcome == "o" or (outcome == "u" and data.draw(st.booleans())):
                there.append((which, number))
            if outcome == "o":
                promised.append((which, number))
    histories = [adds(which, letters) for which, letters in enumerate(outcomes)]
    assert judge(histories, seen(*there)).outcome == ("valid" if promised else "unknown")
    if promised:
        there.remove(data.draw(st.sampled_from(promised)))
        assert judge(histories, seen(*there)).lost == 1


def test_a_write_takes_about_a_byte_to_keep_and_to_find() -> None:
    writes = 100_000
    tracemalloc.start()
    try:
        history, found = Adds(0, 0), Seen()
        for _ in range(writes):
            number = history.attempt(1)
            history.acknowledged(number)
            found.add(0, number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Three quarters kept, a quarter found; arrays grow with up to an eighth of spare room.
    assert taken < 1.25 * writes
    assert judge([history], found).acknowledged == writes
