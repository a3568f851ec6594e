"""What is typed into a search box has a meaning, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalelab.search import websearch
from scalelab.search.websearch import Term


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("file lines", [[Term("file"), Term("lines")]]),
        ("file -lines", [[Term("file"), Term("lines", negated=True)]]),
        ('"open a file" x', [[Term("open a file", phrase=True), Term("x")]]),
        ('-"open a file"', [[Term("open a file", phrase=True, negated=True)]]),
        ("a or b c", [[Term("a")], [Term("b"), Term("c")]]),
        ("a OR b", [[Term("a")], [Term("b")]]),
        ("or a or or b or", [[Term("a")], [Term("b")]]),
        ('never "closed', [[Term("never"), Term("closed", phrase=True)]]),
        ("well-known", [[Term("well-known")]]),
        ("C++ .net", [[Term("C++"), Term(".net")]]),
        ("größe", [[Term("größe")]]),
        ("", []),
        ("- + !", []),
        ('""', []),
        ("or", []),
    ],
)
def test_what_is_meant(typed: str, meant: list[list[Term]]) -> None:
    assert [list(each) for each in websearch.parse(typed)] == meant


@given(st.text())
def test_nothing_is_an_error(typed: str) -> None:
    for terms in websearch.parse(typed):
        assert terms
        assert all(term.text.strip() for term in terms)


def test_the_plain_words_among_terms() -> None:
    terms = websearch.parse('a "b c" -d e')[0]
    assert websearch.plain(terms) == ("a", "e")
