"""Every score of a small corpus is BM25 computed by hand, to 1e-4."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from scalelab import elastic
from scalelab.model import Places
from scalelab.search.bm25 import Corpus

pytestmark = pytest.mark.search

_TEXT = """
the file opens files opening a line reads reading is of lines that closed close closes path
socket sockets buffer buffered and thread threads waiting waits waited lock locks running
"""
_WORDS = _TEXT.split()
_LENGTHS = (1, 2, 5, 12, 39, 40, 41, 47, 63, 64, 100, 333, 1500)
_INDEX = "bm25"


def _corpus() -> dict[str, str]:
    """Documents on both sides of 40 tokens, from where lengths are rounded, and an empty one."""
    chance = random.Random("bm25")
    weights = [1 / rank for rank in range(1, len(_WORDS) + 1)]
    texts = {
        f"{length}-{copy}": " ".join(chance.choices(_WORDS, weights, k=length))
        for length in _LENGTHS
        for copy in range(3)
    }
    return {**texts, "one-word": "threads " * 57, "empty": ""}


@pytest.fixture(scope="module")
def client(search_places: Places) -> Iterator[Elasticsearch]:
    with elastic.connect(elastic.nodes(search_places)[0], 60) as connected:
        yield connected
        connected.options(ignore_status=404).indices.delete(index=_INDEX)


@pytest.fixture(scope="module", params=["standard", "english"])
def analyzed(request: pytest.FixtureRequest, client: Elasticsearch) -> tuple[str, Corpus]:
    """The corpus in an index of one shard, and its tokens as the server's analyzer makes them."""
    analyzer, texts = str(request.param), _corpus()
    tokens = {id_: _tokens(client, analyzer, text) for id_, text in texts.items()}
    client.options(ignore_status=404).indices.delete(index=_INDEX)
    client.indices.create(
        index=_INDEX,
        settings={"number_of_shards": 1, "number_of_replicas": 0},
        mappings={"properties": {"body": {"type": "text", "analyzer": analyzer}}},
    )
    operations: list[Mapping[str, Any]] = []
    for id_, text in texts.items():
        operations += [{"index": {"_id": id_}}, {"body": text}]
    operations += [{"index": {"_id": "without"}}, {"other": "the file"}]
    done = client.bulk(index=_INDEX, operations=operations, refresh=True)
    assert not done["errors"]
    return analyzer, Corpus(tokens)


def _tokens(client: Elasticsearch, analyzer: str, text: str) -> list[str]:
    return [
        each["token"] for each in client.indices.analyze(analyzer=analyzer, text=text)["tokens"]
    ]


def _scores(client: Elasticsearch, query: Mapping[str, Any]) -> dict[str, float]:
    found = client.search(index=_INDEX, query=query, size=1000, source=False)
    return {hit["_id"]: hit["_score"] for hit in found["hits"]["hits"]}


@pytest.mark.parametrize(
    "question",
    ["file", "running", "sockets", "open a file", "closing threads", "the the file", "unheard of"],
)
def test_every_score_of_a_match(
    client: Elasticsearch, analyzed: tuple[str, Corpus], question: str
) -> None:
    analyzer, corpus = analyzed
    ours = corpus.scores(_tokens(client, analyzer, question))
    assert _scores(client, {"match": {"body": question}}) == pytest.approx(ours, abs=1e-4)


def test_every_score_of_a_bool(client: Elasticsearch, analyzed: tuple[str, Corpus]) -> None:
    """``should`` adds to ``must``, boosted; what only filters or forbids adds nothing."""
    analyzer, corpus = analyzed
    words = {word: _tokens(client, analyzer, word) for word in ("file", "lines", "line", "running")}
    query = {
        "must": {"match": {"body": "file"}},
        "should": {"match": {"body": {"query": "lines", "boost": 2.5}}},
        "filter": {"match": {"body": "line"}},
        "must_not": {"match": {"body": "running"}},
    }
    must, more = corpus.scores(words["file"]), corpus.scores(words["lines"], boost=2.5)
    kept = set(must) & set(corpus.scores(words["line"])) - set(corpus.scores(words["running"]))
    ours = {id_: must[id_] + more.get(id_, 0) for id_ in kept}
    assert len(ours) > 2
    assert _scores(client, {"bool": query}) == pytest.approx(ours, abs=1e-4)


def test_the_rounding_of_lengths_is_seen_here(
    client: Elasticsearch, analyzed: tuple[str, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the same computation is off by more than is allowed: the test tests it."""
    analyzer, _ = analyzed
    tokens = {id_: _tokens(client, analyzer, text) for id_, text in _corpus().items()}
    monkeypatch.setattr("scalelab.search.bm25.stored_length", lambda tokens: tokens)
    exact, off = Corpus(tokens), 0.0
    for word in ("file", "path", "running", "locks"):
        ours = exact.scores(_tokens(client, analyzer, word))
        theirs = _scores(client, {"match": {"body": word}})
        off = max(off, *(abs(ours[id_] - theirs[id_]) for id_ in theirs))
    assert off > 1e-3


def test_a_learner_sees_the_same_numbers_in_explain(
    client: Elasticsearch, analyzed: tuple[str, Corpus]
) -> None:
    analyzer, corpus = analyzed
    (word,) = _tokens(client, analyzer, "socket")
    found = client.search(
        index=_INDEX, query={"match": {"body": "socket"}}, explain=True, size=1, source=False
    )["hits"]["hits"][0]
    said = dict(_explained(found["_explanation"]["details"]))
    assert said["boost"] == pytest.approx(2.2)
    assert said["avgdl, average length of field"] == pytest.approx(corpus.average)
    assert found["_score"] == pytest.approx(corpus.scores([word])[found["_id"]], abs=1e-4)


def _explained(details: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    for each in details:
        yield each["description"], each["value"]
        yield from _explained(each["details"])
