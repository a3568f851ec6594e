from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scalelab.measure.checkers.duplicates import Duplicates, Seen

# Around the borders of bytes and pages, and what no writer of ours would ever number.
numbers = st.one_of(
    st.integers(0, 12), st.sampled_from([4095, 4096, 4097, 8191, 8192, 2**40, -1, -4096])
)
sightings = st.lists(st.tuples(st.integers(0, 2), numbers), max_size=60)


def seen(elements: list[tuple[int, int]], pages: int = 1 << 16) -> Seen:
    collected = Seen(pages)
    collected.update(elements)
    return collected


def test_nothing_seen_is_no_finding() -> None:
    assert seen([]).result() == Duplicates(0, 0, 0, 0, ())
    assert seen([]).result().outcome == "unknown"


def test_every_element_once_is_valid() -> None:
    result = seen([(0, 0), (0, 1), (1, 0)]).result()
    assert result == Duplicates(3, 0, 0, 0, ())
    assert result.outcome == "valid"


def test_an_element_seen_three_times_is_one_duplicate_of_two_copies() -> None:
    result = seen([(0, 0), (7, 5), (7, 5), (7, 5)]).result()
    assert result == Duplicates(2, 1, 2, 0, ((7, 5),))
    assert result.outcome == "invalid"


def test_what_there_is_no_memory_for_is_counted_and_leaves_it_open() -> None:
    result = seen([(0, 0), (0, 1), (0, 4096), (1, 0)], pages=1).result()
    assert result == Duplicates(2, 0, 0, 2, ())
    assert result.outcome == "unknown"


def test_a_stray_number_takes_one_page() -> None:
    collected = seen([(0, 10**15), (0, -(10**15))])
    assert [len(collected.pages(0))] == [2]
    assert collected.result().elements == 2


@given(sightings)
def test_it_agrees_with_a_count_of_all(elements: list[tuple[int, int]]) -> None:
    result, counted = seen(elements).result(), Counter(elements)
    again = {element for element, times in counted.items() if times > 1}
    assert result.elements == len(counted)
    assert result.duplicated == len(again)
    assert result.copies == len(elements) - len(counted)
    assert set(result.examples) <= again
    assert len(result.examples) == min(len(again), 5)


@given(sightings, sightings)
def test_merged_is_as_seen_by_one(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    merged, together = seen(one), seen(one + two)
    merged.merge(seen(two))
    assert {s: merged.pages(s) for s in merged.sessions()} == {
        s: together.pages(s) for s in together.sessions()
    }
    assert merged.result().copies == together.result().copies


def test_merging_beyond_the_memory_is_counted() -> None:
    merged = seen([(0, 0)], pages=1)
    merged.merge(seen([(0, 1), (1, 0), (1, 3)]))
    assert merged.result() == Duplicates(2, 0, 0, 2, ())
