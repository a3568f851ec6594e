"""Two lists of answers compared."""

import pytest

from scalelab.search.agreement import overlap, rank_correlation


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ("abc", "abc", 1),
        ("abc", "cba", 1),  # which, not in which order
        ("abcd", "abxy", 0.5),
        ("abc", "xyz", 0),
        ("a", "abcd", 0.25),  # to find little is not to be right
        ("", "abcd", 0),
        ("", "", 1),
    ],
)
def test_overlap(a, b, share):
    assert overlap(a, b) == overlap(b, a) == share


def test_overlap_is_of_the_first_answers_only():
    assert overlap("abcdef", "abfxyz", at=2) == 1
    assert overlap("abcdef", "xyzabc", at=3) == 0


@pytest.mark.parametrize(
    ("a", "b", "tau"),
    [
        ("abcd", "abcd", 1),
        ("abcd", "dcba", -1),
        ("abc", "acb", 1 / 3),  # of three pairs, one is the other way round
        ("axbyc", "zabc", 1),  # what only one has says nothing of the order
        ("aab", "abb", 1),
    ],
)
def test_rank_correlation(a, b, tau):
    assert rank_correlation(a, b) == pytest.approx(tau)


@pytest.mark.parametrize(("a", "b"), [("", ""), ("abc", ""), ("abc", "xyz"), ("abc", "cxy")])
def test_no_order_without_two_in_common(a, b):
    assert rank_correlation(a, b) is None
