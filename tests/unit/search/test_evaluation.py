"""Files of judgments read, and answers measured by them."""

import math

import pytest

from scalelab.search import evaluation
from scalelab.search.evaluation import Measured

GRADES = {"q1": {"a": 2, "b": 0}, "q2": {"c": 1}}
TREC = b"q1 0 a 2\nq1 0 b 0\n\n# a remark\nq2\t0\tc 1\r\n"
JSON = b'{"query": "q1", "id": "a", "grade": 2}\n{"query":"q1","id":"b","grade":0}\n' + (
    b'{"query": "q2", "id": "c"}\n'
)
CSV = b"Query,id,grade\nq1,a,2\nq1,b,0\nq2,c\n"


def judgments(text):
    return evaluation.judgments(text.splitlines(keepends=True))


@pytest.mark.parametrize("text", [TREC, JSON, CSV, b"\xef\xbb\xbf" + CSV], ids=range(4))
def test_three_forms_say_the_same(text):
    assert judgments(text) == (GRADES, [])


@pytest.mark.parametrize(
    ("first", "broken", "why"),
    [
        (b"q1 0 a 2", b"q1 0 a", "3 words where `query 0 document grade` are four"),
        (b"q1 0 a 2", b"q1 0 b good", "the grade 'good' is no whole number"),
        (b"q1 0 a 2", b"q1 0 b 1000", "the grade 1000 is none from 0 to 100"),
        (b"q1 0 a 2", b"q1 0 \xff 1", "not UTF-8"),
        (b"q1 0 a 2", b"q1 0 a 1", "a was 2 for q1 before, and is 1 now"),
        (b"query,id,grade\nq1,a,2", b"q1", "not `query,id,grade`"),
        (b"query,id,grade\nq1,a,2", b",b,1", "not `query,id,grade`"),
        (b'{"query": "q1", "id": "a"}', b'{"query": "q1"', "no JSON: "),
        (b'{"query": "q1", "id": "a"}', b"7", "no JSON object"),
        (b'{"query": "q1", "id": "a"}', b'{"query": "q1", "id": ""}', "no 'id'"),
        (b'{"query": "q1", "id": "a"}', b'{"query": "q1", "id": "b", "grade": 0.5}', "0.5 is no"),
    ],
)
def test_a_broken_line_is_said_and_the_others_count(first, broken, why):
    read, rejected = judgments(first + b"\n" + broken + b"\n" + first.splitlines()[-1] + b"\n")
    assert [reject.line for reject in rejected][:1] == [len(first.splitlines()) + 1]
    assert why in rejected[0].why
    assert list(read["q1"]) == ["a"]


def test_queries():
    said = {"q1": "open a file", "7": "lock"}
    assert evaluation.queries([b"q1\topen a file\n", b"7\t lock \n"]) == (said, [])
    as_json = [b'{"query": "q1", "words": "open a file"}', b'{"query": 7, "words": "lock"}']
    assert evaluation.queries(as_json) == (said, [])
    read, rejected = evaluation.queries([b"q1\topen\n", b"q2\n", b"q1\tshut\n", b"q1\topen\n"])
    assert read == {"q1": "open"}
    assert [(each.line, each.why) for each in rejected] == (
        [(2, "not `query<TAB>words`"), (3, "q1 asks 'open' already")]
    )


def test_figures_computed_by_hand():
    judged = {"q": {"a": 3, "b": 1, "c": 2, "d": 0}}
    measured = evaluation.evaluate(judged, {"q": ["x", "b", "d", "a"]}, 4)["q"]
    best = 3 + 2 / math.log2(3) + 1 / 2
    there = 1 / math.log2(3) + 3 / math.log2(5)
    assert measured == Measured(2 / 4, pytest.approx(2 / 3), 1 / 2, pytest.approx(there / best))


def test_only_the_first_k_count():
    judged, answers = {"q": {"a": 1, "b": 1}}, {"q": ["x", "a", "y", "b"]}
    assert evaluation.evaluate(judged, answers, 1)["q"] == Measured(0, 0, 0, 0)
    found = evaluation.evaluate(judged, answers, 2)["q"]
    assert (found.precision, found.recall, found.mrr) == (0.5, 0.5, 0.5)


def test_the_engines_order_is_kept_whatever_the_ids():
    for ids in (["a", "z"], ["z", "a"]):
        assert evaluation.evaluate({"q": {ids[0]: 1}}, {"q": ids}, 10)["q"].mrr == 1


def test_who_finds_nothing_gets_nothing():
    judged = {"none": {"a": 1}, "missing": {"a": 1}, "nothing is right": {"a": 0, "b": -1}}
    answers = {"none": [], "nothing is right": ["a", "b"], "not judged": ["a"]}
    measured = evaluation.evaluate(judged, answers, 10)
    assert measured == dict.fromkeys(judged, Measured(0, 0, 0, 0))


def test_the_mean_is_over_queries():
    assert evaluation.mean([Measured(1, 1, 1, 1), Measured(0, 0.5, 0, 0.25)]) == (
        Measured(0.5, 0.75, 0.5, 0.625)
    )
