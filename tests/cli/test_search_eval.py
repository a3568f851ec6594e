"""`search eval` as a user types it, on a cluster with both engines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scalelab import sql
from scalelab.ledger import Ledger
from tests.conftest import tool

pytestmark = pytest.mark.search

Eval = Callable[..., "subprocess.CompletedProcess[str]"]
File = Callable[[str], str]

_DOCUMENTS = {
    "open": "Open a file and return a file object; read lines from it",
    "path": "Open the file in text mode, read it, and close the file",
    "line": "Read one line from the stream",
    "lock": "A primitive lock: acquire blocks until it is released",
    "sock": "Create a new socket using the given address family",
    "thread": "Run a function in a thread of control; join waits for it",
}
_INDEX = "judged"
_QUERIES = "q1\topen a file\nq2\tlock released\nq3\tread lines\nq4\tjoin a thread\nq5\tsocket\n"
_QRELS = """
q1 0 open 2
q1 0 path 1
q2 0 lock 1
q3 0 open 1
q3 0 line 2
q4 0 thread 1
q5 0 sock 1
"""


@pytest.fixture(scope="module")
def evaluate(search_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eval]:
    folder = tmp_path_factory.mktemp("judged")

    run = partial(tool, search_state, "search", cwd=folder, timeout_s=120)
    lines = [json.dumps({"id": id_, "text": text}) for id_, text in _DOCUMENTS.items()]
    (folder / "documents.jsonl").write_text("\n".join(lines))
    (folder / "queries").write_text(_QUERIES)
    (folder / "qrels").write_text(_QRELS)
    run("load", "documents.jsonl", "--index", _INDEX)
    yield lambda qrels, *words, **more: run("eval", qrels, "-i", _INDEX, *words, **more)
    run("rest", "DELETE", f"/{_INDEX}")
    for cluster in Ledger(search_state).clusters()[0]:
        for place in sql.primaries(cluster.places):
            with sql.connect(place) as connection:
                connection.execute(f"DROP TABLE IF EXISTS corpus.{_INDEX}")


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file with this text."""

    def write(text: str) -> str:
        path = tmp_path / f"file{len(list(tmp_path.iterdir()))}"
        path.write_text(text)
        return str(path)

    return write


def test_both_engines_in_a_table_and_what_the_difference_is_worth(evaluate: Eval) -> None:
    done = evaluate("qrels", "--queries", "queries")
    lines = done.stdout.splitlines()
    assert lines[0] == "judged, 5 queries"
    assert lines[1].split() == ["engine", "P@10", "recall@10", "MRR@10", "nDCG@10"]
    assert [line.split()[0] for line in lines[2:4]] == ["Elasticsearch", "PostgreSQL"]
    assert lines[4].startswith("nDCG, Elasticsearch - PostgreSQL: ")
    assert lines[4].endswith("no difference shows")
    assert done.stderr == ""


def test_the_document(evaluate: Eval) -> None:
    read = json.loads(evaluate("qrels", "--queries", "queries", "-k", "2", "--json").stdout)
    assert (read["schema"], read["version"]) == ("scalelab.search-eval", 1)
    assert list(read) == [
        *("schema", "version", "index", "k", "any", "engines", "ndcg_difference"),
        *("rejected", "without_words", "without_judgments", "nothing_right"),
    ]
    assert (read["index"], read["k"], read["any"]) == (_INDEX, 2, False)
    assert [each["engine"] for each in read["engines"]] == ["es", "postgres"]
    for each in read["engines"]:
        figures = ["precision", "recall", "mrr", "ndcg"]
        assert list(each) == ["engine", *figures, "queries", "missing"]
        by_query: dict[str, Any] = {query["query"]: query for query in each["queries"]}
        assert list(by_query["q2"]) == ["query", "words", *figures, "ids"]
        assert by_query["q2"]["words"] == "lock released"
        assert by_query["q2"]["ids"] == ["lock"]
        assert [by_query["q2"][figure] for figure in figures] == [0.5, 1, 1, pytest.approx(1)]
        for figure in figures:
            mean = sum(query[figure] for query in each["queries"]) / 5
            assert each[figure] == pytest.approx(mean)
    assert list(read["ndcg_difference"]) == ["mean", "low", "high"]


def test_each_query_one_engine_and_another_form(evaluate: Eval, file: File) -> None:
    csv = file("query,id,grade\nopen file,open,2\nopen file,path,1\nlock,lock\n")
    done = evaluate(csv, "--engine", "postgres", "-v", "-k", "1")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[:2] == ["judged, 2 queries", "query P@1 recall@1 MRR@1 nDCG@1"]
    assert lines[2] == "open file"
    assert lines[4:6] == ["lock", "PostgreSQL 1.000 1.000 1.000 1.000"]
    assert "Elasticsearch" not in done.stdout


def test_any_word_finds_more(evaluate: Eval, file: File) -> None:
    qrels, queries = file("q1 0 lock 1\n"), file("q1\tlock unheard of\n")
    all_words = evaluate(qrels, "--queries", queries, "--json")
    assert [each["recall"] for each in json.loads(all_words.stdout)["engines"]] == [0, 0]
    assert "nothing was found at all: let one word be enough with --any" in all_words.stderr
    one = evaluate(qrels, "--queries", queries, "--json", "--any")
    assert [each["recall"] for each in json.loads(one.stdout)["engines"]] == [1, 1]


def test_a_field_chosen(evaluate: Eval) -> None:
    assert "1.000" in evaluate("qrels", "--queries", "queries", "--field", "text^2").stdout
    refused = evaluate("qrels", "--queries", "queries", "--field", "txet", code=2)
    assert "did you mean 'text'?" in refused.stderr


def test_what_does_not_count_is_said(evaluate: Eval, file: File) -> None:
    qrels = file(f"{_QRELS}q1 0 gone 1\nq6 0 sock 1\nq2 0 lock\nq7 0 lock 0\n")
    queries = file(f"{_QUERIES}q7\tlock\nq8\tnobody judged it\nq9 blank\n")
    done = evaluate(qrels, "--queries", queries, code=1)
    assert done.stdout.startswith("judged, 6 queries\n")
    for said in (
        f"{qrels}:11: 3 words where `query 0 document grade` are four",
        f"{queries}:8: not `query<TAB>words`",
        "not asked, it has no words: q6",
        "not asked, nothing of it is judged: q8",
        "no document is right for it: nobody can find one: q7",
        "judged, but not in judged of Elasticsearch: gone",
        "judged, but not in judged of PostgreSQL: gone",
        "error: 2 lines could not be read",
    ):
        assert said in done.stderr


@pytest.mark.parametrize(
    ("qrels", "words", "said"),
    [
        ("nowhere", (), "nowhere cannot be read: No such file or directory"),
        (".", (), ". cannot be read: Is a directory"),
        ("/dev/null", (), "/dev/null holds no judgment"),
        ("queries", (), "queries holds no judgment"),
        ("qrels", ("--queries", "/dev/null"), "no judged query has words to ask for"),
        ("qrels", ("--engine", "solr"), "there is no engine 'solr'"),
        ("qrels", ("-i", "jugded"), "there is no index 'jugded'"),
        ("qrels", ("-k", "0"), "-k"),
    ],
)
def test_bad_input(evaluate: Eval, qrels: str, words: tuple[str, ...], said: str) -> None:
    done = evaluate(qrels, *words, code=2)
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("columns", [60, 80])
def test_narrow_terminals(evaluate: Eval, columns: int) -> None:
    done = evaluate("qrels", "--queries", "queries", "-v", COLUMNS=str(columns))
    table = [line for line in done.stdout.splitlines() if not line.startswith("nDCG")]
    assert max(map(len, table)) <= columns
    assert "…" not in done.stdout
