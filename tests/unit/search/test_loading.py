"""One pass over a corpus into engines, and names for what is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from scalelab.corpora._corpus import Document
from scalelab.errors import EnvironmentLacks, UsageError
from scalelab.search import load_elasticsearch, loading
from scalelab.search.loading import Loaded, Outcome


class Kept:
    """An engine that keeps documents here; ends at a given one."""

    def __init__(self, ends_at: str = "") -> None:
        self.outcome = Outcome("kept")
        self.lines: dict[str, bytes] = {}
        self.said: list[str] = []
        self._ends_at = ends_at

    def open(self) -> None:
        self.said.append("open")

    def put(self, document: Document, line: bytes) -> None:
        if document.id == self._ends_at:
            raise EnvironmentLacks("it is gone", "look")
        self.lines[document.id] = line
        self.outcome.created += 1

    def close(self) -> None:
        self.said.append("close")

    def abandon(self) -> None:
        self.said.append("abandon")


def test_each_document_goes_everywhere_once() -> None:
    one, other, result = Kept(), Kept(), Loaded()
    documents = [Document("a", {"x": "ü"}), Document("b", {"x": [1]}), Document("a", {"x": 2})]
    loading.load(documents, [one, other], result)
    assert one.lines == other.lines == {"a": b'{"x":2}', "b": b'{"x":[1]}'}
    assert (result.read, result.repeated, result.problems) == (3, 1, 0)
    assert one.said == ["open", "close"]
    assert [each.seconds > 0 for each in result.outcomes] == [True, True]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (Document("x" * 513, {"a": 1}), "more than 512 bytes"),
        (Document("", {"a": 1}), "more than 512 bytes"),
        (Document("x", {"a": float("nan")}), "cannot be written as JSON"),
        (Document("x", {"a": "\ud800"}), "cannot be written as JSON"),
        (Document("x", {"a": object()}), "cannot be written as JSON"),
    ],
)
def test_what_no_engine_takes(document: Document, said: str) -> None:
    kept, result = Kept(), Loaded()
    loading.load([document, Document("b", {})], [kept], result)
    assert list(kept.lines) == ["b"]
    ((_, why),) = result.rejected.first
    assert said in why


def test_an_engine_that_ends_says_what_is_there() -> None:
    one, ending, result = Kept(), Kept("c"), Loaded()
    documents = (Document(id, {}) for id in "abcd")
    with pytest.raises(EnvironmentLacks, match="it is gone") as caught:
        loading.load(documents, [one, ending], result)
    assert caught.value.details == (
        "kept: 3 of the 3 documents read so far are in it",
        "kept: 2 of the 3 documents read so far are in it",
    )
    assert caught.value.hint.startswith("look; then run it again")
    assert one.said == ending.said == ["open", "abandon"]


def test_a_corpus_that_ends_in_an_error_abandons() -> None:
    def documents() -> Iterator[Document]:
        yield Document("a", {})
        raise UsageError("broken", "mend")

    kept = Kept()
    with contextlib.suppress(UsageError):
        loading.load(documents(), [kept], Loaded())
    assert kept.said == ["open", "abandon"]


def test_the_first_problems_are_kept_and_all_are_counted() -> None:
    problems = loading.Problems()
    for number in range(1500):
        problems.add(f"line {number}", "broken")
    assert (problems.count, len(problems.first)) == (1500, 1000)


@pytest.mark.parametrize("name", ["pydoc", "a", "2024.05-x_y", "x" * 63])
def test_names(name: str) -> None:
    assert loading.index_name(name) == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Büro", "buro"),
        ("_x", "x"),
        ("a b", "a-b"),
        ("../a", "a"),
        ("x" * 64, "x" * 63),
        ("日本", ""),
        ("", ""),
        ("a*", "a"),
    ],
)
def test_no_names(name: str, near: str) -> None:
    assert loading.like(name) == near
    with pytest.raises(UsageError) as caught:
        loading.index_name(name)
    assert caught.value.hint.endswith(f"--index {near}" if near else "digit first")


# --- what Elasticsearch says ---------------------------------------------------------------------


def test_a_reason_without_what_is_known_already() -> None:
    error = {
        "type": "document_parsing_exception",
        "reason": "[1:9] failed to parse field [n] of type [long] in document with id '7'. Preview"
        " of field's value: 'x'",
        "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
    }
    assert load_elasticsearch._reason({"error": error}) == (
        'failed to parse field [n] of type [long]: For input string: "x"'
    )


def test_a_block_ends_a_load() -> None:
    error = {"type": "cluster_block_exception", "reason": "index [x] blocked by: [FORBIDDEN/...]"}
    with pytest.raises(EnvironmentLacks, match=r"takes no writes: index \[x\] blocked"):
        load_elasticsearch._reason({"error": error})


def test_halves() -> None:
    batch = {id: id.encode() for id in "abcde"}
    later, first = load_elasticsearch._halves(batch)
    assert {**first, **later} == batch
    assert list(first) == ["a", "b"]
    assert load_elasticsearch._halves({"a": b""}) == [{"a": b""}]


def test_settings_in_either_form() -> None:
    given = {"index": {"number_of_shards": 2}, "index.codec": "best_compression", "analysis": {}}
    assert load_elasticsearch._plain(given) == {
        "number_of_shards": 2,
        "codec": "best_compression",
        "analysis": {},
    }
