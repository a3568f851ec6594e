from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.checkers.counter import Counter, CounterRead
from scalelab.measure.history import Operation, events


def read(counter: Counter, value: int) -> None:
    """A read answered before anything else happened."""
    counter.read(counter.reading(), value)


def found(counter: Counter) -> tuple[int, int, int]:
    result = counter.result()
    return result.reads, result.below, result.above


def test_without_a_read_nothing_is_known() -> None:
    counter = Counter()
    counter.attempt(1)
    counter.acknowledged(1)
    assert counter.result().outcome == "unknown"


def test_an_acknowledged_increment_has_to_show() -> None:
    counter = Counter(10)
    counter.attempt(2)
    counter.acknowledged(2)
    read(counter, 12)
    assert counter.result().outcome == "valid"
    read(counter, 10)
    result = counter.result()
    assert (result.below, result.missing, result.outcome) == (1, 2, "invalid")
    assert result.examples == (CounterRead(12, 10, 12),)


def test_an_increment_under_way_may_show_or_not() -> None:
    counter = Counter()
    counter.attempt(3)
    read(counter, 0)
    read(counter, 3)
    assert found(counter) == (2, 0, 0)
    read(counter, 4)
    assert found(counter) == (3, 0, 1)
    assert counter.result().excess == 1


def test_an_unsure_increment_may_show_for_ever() -> None:
    counter = Counter()
    counter.attempt(1)
    counter.attempt(1)
    counter.acknowledged(1)
    for value in (1, 2, 1):
        read(counter, value)
    assert found(counter) == (3, 0, 0)


def test_a_failed_increment_must_not_show() -> None:
    counter = Counter()
    counter.attempt(1)
    counter.failed(1)
    read(counter, 1)
    assert found(counter) == (1, 0, 1)


def test_what_is_acknowledged_while_a_read_is_under_way_need_not_show() -> None:
    counter = Counter()
    since = counter.reading()
    counter.attempt(1)
    counter.acknowledged(1)
    counter.read(since, 0)
    counter.read(since, 1)
    assert found(counter) == (2, 0, 0)


def test_decrements_widen_the_bounds_the_other_way() -> None:
    counter = Counter(5)
    since = counter.reading()
    counter.attempt(-2)
    read(counter, 3)
    read(counter, 5)
    counter.acknowledged(-2)
    counter.read(since, 5)
    assert found(counter) == (3, 0, 0)
    read(counter, 5)
    read(counter, 2)
    assert found(counter) == (5, 1, 1)


def test_a_sum_that_transfers_must_not_change() -> None:
    total = Counter(1000)
    read(total, 1000)
    read(total, 990)
    read(total, 1010)
    assert found(total) == (3, 1, 1)


def test_merged_counters_judge_the_last_read() -> None:
    workers = [Counter(1), Counter(1)]
    for worker in workers:
        worker.attempt(1)
        worker.acknowledged(1)
        worker.attempt(1)
    final = Counter(1)
    for worker in workers:
        final.merge(worker)
    for value in (2, 3, 5, 6):
        read(final, value)
    assert final.result().examples == (CounterRead(3, 2, 5), CounterRead(3, 6, 5))


def test_results_add_up() -> None:
    one, two = Counter(), Counter()
    read(one, -1)
    read(two, 3)
    both = one.result() + two.result()
    assert (both.reads, both.below, both.above, both.missing, both.excess) == (2, 1, 1, 1, 3)
    assert len(both.examples) == 2


def replay(history: list[Operation]) -> Counter:
    counter, since = Counter(), {}
    for event in events(history):
        operation = history[event.number]
        amount = operation.value
        assert isinstance(amount, int)
        if operation.kind == "read":
            if event.ends:
                counter.read(since[event.number], amount)
            else:
                since[event.number] = counter.reading()
        elif not event.ends:
            counter.attempt(amount)
        elif operation.outcome == "ok":
            counter.acknowledged(amount)
        elif operation.outcome == "fail":
            counter.failed(amount)
    return counter


@st.composite
def correct(draw: st.DrawFn) -> list[Operation]:
    """A history of a correct counter: each operation takes effect at a moment of its own."""
    planned = []
    for session in range(draw(st.integers(1, 8))):
        invoked = draw(st.integers(0, 20))
        completed = invoked + draw(st.integers(0, 8))
        effect = draw(st.integers(invoked, completed))
        amount = draw(st.one_of(st.none(), st.integers(-3, 5)))
        outcome = "ok" if amount is None else draw(st.sampled_from(["ok", "ok", "fail", "unknown"]))
        if outcome == "unknown":
            # It may take effect long after its client gave up.
            effect += draw(st.integers(0, 30))
        planned.append((effect, session, invoked, completed, amount, outcome))
    value, history = 0, []
    for _, session, invoked, completed, amount, outcome in sorted(planned, key=lambda one: one[:2]):
        if amount is None:
            history.append(Operation(session, "read", 0, value, invoked, completed))
            continue
        happens = outcome == "ok" or (outcome == "unknown" and draw(st.booleans()))
        value += amount if happens else 0
        history.append(Operation(session, "add", 0, amount, invoked, completed, outcome))
    return history


@given(correct())
def test_a_correct_counter_is_never_accused(history: list[Operation]) -> None:
    assert replay(history).result().outcome != "invalid"


@given(correct(), st.integers(1, 5))
def test_a_lost_or_doubled_increment_is_always_found_in_the_end(
    history: list[Operation], amount: int
) -> None:
    sure = [one for one in history if one.outcome == "ok" and one.kind == "add"]
    value = sum(one.value for one in sure)  # type: ignore[misc]
    history = [*sure, Operation(99, "add", 0, amount, 50, 51)]
    for wrong in (value, value + 2 * amount):
        result = replay([*history, Operation(99, "read", 0, wrong, 52, 53)]).result()
        assert (result.below, result.above) == ((1, 0) if wrong == value else (0, 1))


@pytest.mark.parametrize("amount", [1, -1])
def test_times_that_touch_excuse(amount: int) -> None:
    write = Operation(0, "add", 0, amount, 0, 5)
    for value in (0, amount):
        assert replay([write, Operation(1, "read", 0, value, 5, 6)]).result().outcome == "valid"
