from __future__ import annotations

from itertools import chain, combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelab.measure.checkers.register import Client, Register, Registers, judge
from scalelab.measure.history import Operation, events


def op(
    kind: str, value: object, invoked: float, completed: float, outcome: str = "ok", key: int = 0
) -> Operation:
    return Operation(0, kind, key, value, invoked, completed, outcome)  # type: ignore[arg-type]


def w(value: int, invoked: float, completed: float, outcome: str = "ok") -> Operation:
    return op("write", value, invoked, completed, outcome)


def r(value: int | None, invoked: float, completed: float, outcome: str = "ok") -> Operation:
    return op("read", value, invoked, completed, outcome)


VALID = {
    "the initial value": [r(None, 0, 1)],
    "one after the other": [w(1, 0, 1), r(1, 2, 3), w(2, 4, 5), r(2, 6, 7)],
    "a read beside a write sees it": [w(1, 0, 9), r(1, 1, 2)],
    "a read beside a write does not see it yet": [w(1, 0, 9), r(None, 1, 2), r(1, 3, 4)],
    "two writes beside each other, in the other order": [w(1, 0, 9), w(2, 1, 8), r(1, 10, 11)],
    "an unsure write took effect": [w(1, 0, 1, "unknown"), r(1, 2, 3)],
    "an unsure write did not": [w(1, 0, 1, "unknown"), r(None, 2, 3)],
    "an unsure write took effect long after": [
        w(1, 0, 1, "unknown"), r(None, 2, 3), w(2, 4, 5), r(2, 6, 7), r(1, 8, 9),
    ],
    "a failed write": [w(1, 0, 1, "fail"), r(None, 2, 3)],
    "a read of unknown outcome says nothing": [w(1, 0, 1), r(7, 2, 3, "unknown")],
    "times that touch excuse": [w(1, 0, 1), r(None, 1, 2)],
    "compare and set": [w(1, 0, 1), op("cas", (1, 2), 2, 3), r(2, 4, 5)],
    "a failed compare and set": [w(1, 0, 1), op("cas", (3, 2), 2, 3, "fail"), r(1, 4, 5)],
    "an unsure write that a compare and set needs": [
        w(1, 0, 1, "unknown"), op("cas", (1, 2), 2, 3), r(2, 4, 5),
    ],
    "unsure after unsure": [
        op("cas", (None, 1), 0, 1, "unknown"), op("cas", (1, 2), 0, 1, "unknown"), r(2, 2, 3),
    ],
}  # fmt: skip

INVALID = {
    "a stale read": [w(1, 0, 1), r(None, 2, 3)],
    "a lost write": [w(1, 0, 1), w(2, 2, 3), r(1, 4, 5)],
    "a value nobody wrote": [w(1, 0, 1), r(2, 2, 3)],
    "reads that go back": [w(1, 0, 9), r(1, 1, 2), r(None, 3, 4)],
    "a failed write that is read": [w(1, 0, 1, "fail"), r(1, 2, 3)],
    "an unsure write, there and gone again": [w(1, 0, 1, "unknown"), r(1, 2, 3), r(None, 4, 5)],
    "an unsure write used twice": [
        w(1, 0, 1, "unknown"), r(1, 2, 3), w(2, 4, 5), r(2, 6, 7), r(1, 8, 9),
    ],
    "two see two writes in different orders": [
        w(1, 0, 9), w(2, 0, 9), r(1, 1, 2), r(2, 3, 4), r(1, 5, 6),
    ],
    "two set what only one can": [op("cas", (None, 1), 0, 2), op("cas", (None, 2), 1, 3)],
    "read before it was written": [r(1, 0, 1), w(1, 2, 3)],
}  # fmt: skip


@pytest.mark.parametrize("history", VALID.values(), ids=VALID)
def test_what_could_have_happened_is_valid(history: list[Operation]) -> None:
    assert judge(history).outcome == "valid"
    assert explained(history)


@pytest.mark.parametrize("history", INVALID.values(), ids=INVALID)
def test_what_could_not_is_invalid(history: list[Operation]) -> None:
    assert judge(history).outcome == "invalid"
    assert not explained(history)


def test_nothing_is_no_finding() -> None:
    assert judge([]).outcome == "unknown"
    assert judge([w(1, 0, 1, "fail")]).outcome == "unknown"


def test_the_example_is_the_first_that_nothing_explains() -> None:
    bad = r(1, 4, 5)
    result = judge([w(1, 0, 1), w(2, 2, 3), bad, r(7, 6, 7)])
    assert [(one.operation, one.possible) for one in result.examples] == [(bad, (2,))]
    assert (result.judged, result.unjudged) == (3, 1)


def test_keys_are_judged_one_by_one() -> None:
    result = judge([w(1, 0, 1), op("read", None, 2, 3, key=5), op("read", 9, 2, 3, key=6)])
    assert (result.judged, result.violations) == (3, 1)
    assert result.examples[0].operation.key == 6


def explained(history: list[Operation]) -> bool:
    """Whether any order explains it: all of them, one by one."""
    sure = [one for one in history if one.outcome == "ok"]
    unsure = [one for one in history if one.outcome == "unknown" and one.kind != "read"]
    subsets = chain.from_iterable(combinations(unsure, n) for n in range(len(unsure) + 1))
    return any(sequential(order) for extra in subsets for order in permutations([*sure, *extra]))


def sequential(order: tuple[Operation, ...]) -> bool:
    value: object = None
    for index, one in enumerate(order):
        if any(
            later.outcome == "ok" and later.completed < one.invoked for later in order[index + 1 :]
        ):
            return False
        if one.kind == "read":
            if one.value != value:
                return False
        elif one.kind == "write":
            value = one.value
        else:
            expected, new = one.value  # type: ignore[misc]
            if expected != value:
                return False
            value = new
    return True


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    invoked = draw(st.integers(0, 8))
    completed = invoked + draw(st.integers(0, 6))
    kind = draw(st.sampled_from(["read", "read", "write", "write", "cas"]))
    value = st.sampled_from([None, 1, 2])
    outcome = draw(st.sampled_from(["ok", "ok", "ok", "unknown", "fail"]))
    what = draw(st.tuples(value, value) if kind == "cas" else value)
    return op(kind, what, invoked, completed, outcome)


@settings(max_examples=400)
@given(st.lists(operations(), min_size=1, max_size=6))
def test_it_agrees_with_trying_every_order(history: list[Operation]) -> None:
    relevant = [
        one
        for one in history
        if one.outcome == "ok" or (one.outcome == "unknown" and one.kind != "read")
    ]
    expected = "unknown" if not relevant else "valid" if explained(history) else "invalid"
    assert judge(history).outcome == expected


@st.composite
def correct(draw: st.DrawFn, sessions: int = 4, each: int = 8) -> list[Operation]:
    """A history of a correct register: each operation takes effect at a moment of its own."""
    planned = []
    for session in range(sessions):
        at = 0
        for number in range(draw(st.integers(1, each))):
            invoked = at + draw(st.integers(0, 4))
            at = invoked + draw(st.integers(0, 8))
            effect = draw(st.integers(invoked, at))
            kind = draw(st.sampled_from(["read", "write"]))
            outcome = draw(st.sampled_from(["ok"] * 6 + ["fail", "unknown"]))
            effect += draw(st.integers(0, 30)) if outcome == "unknown" else 0
            planned.append((effect, session, number, invoked, at, kind, outcome))
            at += 1
    value: object = None
    history = []
    for _, session, number, invoked, completed, kind, outcome in sorted(planned):
        mine: object = (session, number)
        if kind == "read":
            mine = value
        elif outcome == "ok" or (outcome == "unknown" and draw(st.booleans())):
            value = mine
        history.append(Operation(session, kind, 0, mine, invoked, completed, outcome))
    return history


@given(correct())
def test_a_correct_register_is_never_accused(history: list[Operation]) -> None:
    result = judge(history)
    assert result.violations == 0
    assert result.unjudged == 0


@given(correct())
def test_an_overwritten_value_that_comes_back_is_always_found(history: list[Operation]) -> None:
    end = 1 + max(one.completed for one in history)
    wrong = [
        *history,
        op("write", "old", end, end + 1),
        op("write", "new", end + 2, end + 3),
        op("read", "old", end + 4, end + 5),
    ]
    result = judge(wrong)
    assert result.violations == 1
    assert result.examples[0].operation is wrong[-1]


def fed(history: list[Operation], registers: Registers) -> Registers:
    """Told of all operations as they happen; a session each."""
    for event in events(history):
        one = history[event.number]._replace(session=event.number)
        if event.ends:
            registers.over(one)
        else:
            registers.begin(one.session, one.key, one.invoked)
    return registers


@given(st.lists(operations(), min_size=1, max_size=8), st.integers(0, 5))
def test_judged_while_in_use_is_as_judged_at_the_end(
    history: list[Operation], worthwhile: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scalelab.measure.checkers.register._WORTHWHILE", worthwhile)
        result = fed(history, Registers()).result()
    assert result.outcome == judge(history).outcome


@given(correct())
def test_a_correct_register_in_use_is_never_accused(history: list[Operation]) -> None:
    whole = judge(history)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scalelab.measure.checkers.register._WORTHWHILE", 3)
        assert fed(history, Registers()).result() == judge(history) == whole
    assert (whole.violations, whole.unjudged) == (0, 0)


def test_too_many_orders_are_given_up_and_not_guessed() -> None:
    writes = [w(value, 0, 100) for value in range(20)]
    register = Register(budget=1000)
    for one in [*writes, r(3, 101, 102)]:
        register.feed(one)
    result = register.result()
    assert (result.outcome, result.unjudged) == ("unknown", 21)
    assert result.reasons == ("more than 1,000 ways to order its operations",)


def test_what_one_operation_holds_up_too_long_is_given_up() -> None:
    register = Register(longest=10)
    for value in range(11):
        register.feed(w(value, value, value + 1.5))
    result = register.result()
    assert (result.outcome, result.reasons) == ("unknown", ("more than 10 operations beside one",))


def test_what_comes_too_late_is_given_up() -> None:
    register = Register()
    register.feed(w(1, 0, 5))
    register.settle()
    register.feed(r(None, 4, 6))
    result = register.result()
    assert (result.judged, result.unjudged, result.outcome) == (1, 1, "unknown")


def test_unsure_writes_are_bounded() -> None:
    history = [w(value, value, value + 1, "unknown") for value in range(101)]
    assert judge([*history, r(None, 200, 201)]).reasons == (
        "more than 100 writes of unknown outcome",
    )
    # One that was read is no longer unsure, and needs no memory.
    history = []
    for value in range(300):
        history += [
            w(value, 3 * value, 3 * value + 1, "unknown"),
            r(value, 3 * value + 1.5, 3 * value + 2),
        ]
    assert judge(history).outcome == "valid"


def test_an_operation_under_way_leaves_what_follows_open() -> None:
    registers = Registers()
    registers.begin(0, 0, 0)
    registers.over(r(None, 0, 1))
    registers.begin(0, 0, 2)
    registers.begin(1, 0, 2)
    registers.over(r(5, 2, 3))
    result = registers.result()
    assert (result.judged, result.unjudged, result.outcome) == (1, 1, "unknown")
    assert result.reasons == ("an operation was still under way",)


def test_a_session_tells_of_its_operations_one_by_one() -> None:
    registers = Registers(lambda key: 10 * key)
    one, other = Client(registers, 0), Client(registers, 1)
    one.begin(1, 0)
    other.begin(1, 1)
    one.over("write", 5, 2)
    other.over("read", 10, 3)  # beside the write: before or after it
    assert registers.result().outcome == "valid"
    other.begin(1, 4)
    other.over("read", 10, 5)
    assert registers.result().examples[0].operation == Operation(1, "read", 1, 10, 4, 5)


def test_each_key_begins_with_a_value_of_its_own() -> None:
    client = Client(Registers({0: 7, 1: 8}.__getitem__), 0)
    for key, value in ((0, 7), (1, 8)):
        client.begin(key, 0)
        client.over("read", value, 1)
    assert client._registers.result().outcome == "valid"


def test_a_violation_stays_found_whatever_is_under_way() -> None:
    registers = Registers()
    registers.begin(0, 0, 0)
    registers.over(r(5, 0, 1))
    registers.begin(0, 0, 2)
    result = registers.result()
    assert (result.judged, result.outcome, result.reasons) == (1, "invalid", ())


def test_keys_beyond_the_memory_are_counted() -> None:
    registers = Registers(keys=1)
    for key in (0, 1, 1):
        registers.begin(0, key, 0)
        registers.over(op("read", None, 0, 1, key=key))
    result = registers.result()
    assert (result.judged, result.unjudged, result.outcome) == (1, 2, "unknown")
    assert result.reasons == ("more than 1 keys",)


def test_a_long_run_without_a_pause_keeps_little() -> None:
    registers = Registers()
    session = 0
    registers.begin(session, 0, 0)
    for number in range(5000):
        # The next has begun before this is over.
        registers.begin(1 - session, 0, number + 1)
        registers.over(w(number, number, number + 1.5)._replace(session=session))
        session = 1 - session
        assert registers._registers[0].waiting <= 2 * 64
    result = registers.result()
    assert (result.violations, result.judged + result.unjudged) == (0, 5000)
    assert result.unjudged <= 2
