"""A question is read from what a user types, or refused with what to type instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from scalelab.errors import UsageError
from scalelab.search import question
from scalelab.search.question import SCORE, Field, Question, Sort


def _moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_fields_with_and_without_boost() -> None:
    assert question.fields(["title^3", "text", "name^0.5"]) == (
        Field("title", 3.0),
        Field("text"),
        Field("name", 0.5),
    )
    assert [str(each) for each in question.fields(["title^3", "text"])] == ["title^3", "text"]


@pytest.mark.parametrize("word", ["", "^3", "title^", "title^x", "title^0", "a^1^2", "title^-1"])
def test_what_is_no_field(word: str) -> None:
    with pytest.raises(UsageError, match="--field takes"):
        question.fields([word])


def test_the_same_field_filtered_twice_means_or() -> None:
    read = question.filters(["kind=a", "year=1", "kind=b", "note=x=y"])
    assert read == {"kind": ("a", "b"), "year": ("1",), "note": ("x=y",)}


@pytest.mark.parametrize("word", ["kind", "kind=", "=a", "="])
def test_what_is_no_filter(word: str) -> None:
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        question.filters([word])


def test_sorts() -> None:
    read = question.sorts(["date", "date:desc", "date:asc", SCORE, f"{SCORE}:asc"])
    directions = [False, True, False, True, False]
    names = ["date"] * 3 + [SCORE] * 2
    assert read == tuple(map(Sort, names, directions))


@pytest.mark.parametrize("word", ["date:up", ":desc", "date:"[:0], "a:b:c"])
def test_what_is_no_sort(word: str) -> None:
    with pytest.raises(UsageError, match="--sort takes"):
        question.sorts([word])


@pytest.mark.parametrize(
    ("word", "begin", "end"),
    [
        ("2024", (2024, 1, 1), (2025, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-12", (2024, 12, 1), (2025, 1, 1)),
        ("2024-02-28", (2024, 2, 28), (2024, 2, 29)),
        ("2024-12-31", (2024, 12, 31), (2025, 1, 1)),
        ("2024-05-31T12:30", (2024, 5, 31, 12, 30), (2024, 5, 31, 12, 30)),
    ],
)
def test_a_date_is_all_of_it(word: str, begin: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert question.since(word) == _moment(*begin)
    assert question.until(word) == _moment(*end)


def test_a_zone_is_kept() -> None:
    read = question.since("2024-05-31T12:00:00+02:00")
    assert read == datetime(2024, 5, 31, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("word", ["", "soon", "31.5.2024", "2024-13", "2024-02-30", "9999"])
def test_what_is_no_date(word: str) -> None:
    with pytest.raises(UsageError, match=r"--until takes a date"):
        question.until(word)


def test_which_hits_come_before_a_page() -> None:
    assert Question("a", size=10, page=1).skip == 0
    assert Question("a", size=25, page=4).skip == 75


def test_every_field_it_speaks_of() -> None:
    asked = Question(
        "a",
        fields=(Field("title"),),
        filters={"kind": ("x",)},
        sort=(Sort("date"), Sort(SCORE, True)),
        facets=("tags",),
    )
    assert asked.names == ("title", "kind", "date", "tags")
