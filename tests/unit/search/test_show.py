"""How answers look: pure functions of what was answered."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from scalelab.cli import search_response, search_show
from scalelab.search import collection
from scalelab.search.answer import Answer, Count, Hit
from scalelab.search.asking import Comparison
from scalelab.search.question import Question

_DOCS = collection.make("docs", {"name": "text", "doc": "text"}, {"title": "name"})


def _said(shown: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return "\n".join(line.rstrip() for line in lines)


def _hit(number: int, **more: Any) -> Hit:
    return Hit(**{"id": f"d{number}", "score": 1.5, "title": f"t{number}", "snippet": "", **more})


def _answer(total: int, *hits: Hit, engine: str = "es", **more: Any) -> Answer:
    return Answer(engine, total, 3.0, hits, **more)


@pytest.mark.parametrize(
    ("total", "hits", "page", "said"),
    [
        (0, 0, 1, "nothing found in docs"),
        (1, 1, 1, "1-1 of 1 hit in docs"),
        (1234, 2, 1, "1-2 of 1,234 hits in docs"),
        (25_005, 2, 1001, "2,001-2,002 of 25,005 hits in docs"),
        (5, 0, 9, "page 9 is beyond the last one, 3: 5 hits in docs"),
    ],
)
def test_which_hits_of_how_many(total: int, hits: int, page: int, said: str) -> None:
    found = _answer(total, *map(_hit, range(hits)))
    asked = Question("a", size=2, page=page)
    assert _said(search_show.heading(found, asked, "docs"), 120).startswith(said)


def test_what_matched_stands_out() -> None:
    made = search_show.marked("a <em>b</em> c <em>d</em>")
    assert made.plain == "a b c d"
    assert [(span.start, span.end) for span in made.spans if span.style == search_show.MATCH] == [
        (2, 3),
        (6, 7),
    ]
    # What is no pair is text.
    assert search_show.marked("a </em> <em>b").plain == "a </em> b"


def test_markup_in_a_document_is_text() -> None:
    hit = _hit(1, title="[red]x[/red] :smile:", snippet="[/nope] <em>[b]</em>")
    said = _said(search_show.hits([hit]))
    assert "[red]x[/red] :smile:" in said
    assert "[/nope] [b]" in said


def test_bars_are_shares_of_the_longest() -> None:
    assert search_show.bar(8, 8, 4).plain == "████"
    assert search_show.bar(4, 8, 4).plain == "██"
    assert search_show.bar(1, 1000, 4).plain == "▏"  # what is there is seen
    assert search_show.bar(0, 8, 4).plain == ""
    assert search_show.bar(0, 0, 4).plain == ""


@pytest.mark.parametrize(
    ("score", "said"),
    [(None, "–"), (12.3456, "12.3"), (0.00002, "0.000020"), (0.0, "0"), (-1.5, "-1.50")],
)
def test_scores(score: float | None, said: str) -> None:
    assert search_show.score(score) == said


def test_a_whole_answer() -> None:
    explanation = {
        "value": 1.5,
        "description": "sum of:",
        "details": [{"value": 1, "description": "x"}],
    }
    found = _answer(
        1,
        _hit(1, snippet="so <em>it</em> is", explanation=explanation),
        facets={"kind": (Count("a", 2), Count("b", 1)), "none": ()},
        profile=((0, "shard"), (1, "0.10 ms  TermQuery")),
        notes=("1 of 2 shards did not answer",),
    )
    said = _said(search_show.answer(found, Question("it", explain=True), "docs"))
    for line in ("t1  d1", "so it is", "1. t1", "└── 1.5  sum of:", "1 of 2 shards"):
        assert line in said
    assert "    0.10 ms  TermQuery" in said
    assert "none" not in said
    assert not said.endswith("\n")


def test_two_answers_side_by_side() -> None:
    ours = _answer(2, _hit(1), _hit(2))
    theirs = _answer(1, _hit(2), engine="postgres")
    comparison = Comparison(0.5, None, {"es": 3.2, "postgres": 0.25})
    said = _said(search_show.both([ours, theirs], comparison, Question("it"), "docs"), 60)
    lines = [line.split() for line in said.splitlines()]
    assert ["rank", "Elasticsearch", "PostgreSQL"] in lines
    assert ["2", "t2", "1.50", "–"] in lines
    assert ["PostgreSQL", "1", "0.25"] in lines
    assert "in both: 50% of the first ten" in said
    assert said.endswith("–")


def _response(**more: Any) -> str:
    found = {"took": 2, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}, **more}
    return _said(search_response.response(found, _DOCS, {}), 60)


def test_how_many_hits_a_response_counts() -> None:
    hit = {"_id": "1", "_score": 1.0, "_source": {"name": "n"}}
    least = {"total": {"value": 10_000, "relation": "gte"}, "hits": [hit]}
    assert _response(hits=least).startswith("at least 10,000 hits, 1 shown in docs")
    assert _response(hits={"hits": [hit]}).startswith("1 hits shown, not counted")


def test_all_that_is_said_of_a_hit() -> None:
    hit = {
        "_id": "1",
        "_score": 1.0,
        "_source": {"name": "n"},
        "highlight": {"name": ["<em>n</em>"], "doc": ["a", "b"]},
        "fields": {"kind": ["x", "y"]},
        "inner_hits": {"notes": {"hits": {"hits": [{"_id": "7"}]}}},
        "matched_queries": ["q"],
    }
    said = _response(hits={"total": {"value": 1, "relation": "eq"}, "hits": [hit]})
    for line in ("name: n", "doc: a … b", "kind: x, y", "notes: 7", "matched: q"):
        assert line in said


def test_aggregations_as_tables() -> None:
    said = _response(
        aggregations={
            "none": {"buckets": []},
            "missing": {"doc_count": 0},
            "kinds": {
                "sum_other_doc_count": 9,
                "buckets": [{"key": "a", "doc_count": 2, "mean": {"value": None}}],
            },
        }
    )
    lines = [line.split() for line in said.splitlines()]
    assert ["no", "buckets"] in lines
    assert ["missing", "0"] in lines
    assert ["a", "2", "–", "█" * 16] in lines
    assert "9 more in other buckets" in said


def test_suggestions() -> None:
    options = [{"text": "socket", "score": 0.83, "freq": 3}, {"text": "sock"}]
    said = _response(suggest={"s": [{"text": "sokcet", "options": options}]})
    assert "s: did you mean" in said
    assert "sokcet  socket (0.83, in 3), sock" in said
