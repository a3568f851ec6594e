"""Every form of a question, asked of real servers, finds exactly what it must."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch, helpers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalelab import elastic
from scalelab.errors import ScalelabError, UnknownName, UsageError
from scalelab.model import Places
from scalelab.search import asking, finding, question, server, websearch
from scalelab.search.answer import Count
from scalelab.search.asking import Engine
from scalelab.search.elastic_engine import Elastic
from scalelab.search.question import Question, Sort, Way
from tests.real import search_corpus

pytestmark = pytest.mark.search

_INDEX = "c_library"
_DEEP = "c_deep"
_DEPTH = 10_025


@pytest.fixture(scope="module")
def places(search_places: Places) -> Iterator[Places]:
    search_corpus.load(search_places, _INDEX)
    yield search_places
    search_corpus.drop(search_places, _INDEX)


@pytest.fixture(scope="module")
def both(places: Places) -> Iterator[list[Engine]]:
    with asking.engines(places, "both", _INDEX) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(places: Places) -> Iterator[Elasticsearch]:
    with elastic.client(places, 60) as made:
        yield made


@pytest.fixture(scope="module")
def es(both: list[Engine]) -> Engine:
    return both[0]


def _numbers(*wanted: int) -> list[str]:
    return sorted(f"d{number}" for number in wanted)


_ASKED: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    # Words: all of them, in any field, in any order, as stems.
    ("file", {}, (1, 2, 4, 6, 10)),
    ("files", {}, (1, 2, 4, 6, 10)),
    ("file lines", {}, (1, 4, 10)),
    ("open lines", {}, (1, 4)),
    ("readlines stream", {}, (3,)),  # one word in the name, one in the text
    ("the", {"any": True}, ()),  # a stop word is no word
    ("nothinglikeit", {}, ()),
    ("it's --; DROP TABLE x", {}, ()),
    ("socket brown", {}, ()),
    ("socket brown", {"any": True}, (5, 6, 11, 12)),
    # The search box.
    ('"quick brown"', {}, (11,)),
    ('"lazy dog" sleeps', {}, (12,)),
    ("fox -jumps", {}, (12,)),
    ('fox -"quick brown"', {}, (12,)),
    ("-file -lines -list", {}, (5, 9, 11, 12)),
    ("csv or json", {}, (9, 10)),
    ("socket or lazy sleeps", {}, (5, 6, 12)),
    # Phrases.
    ("brown fox", {"way": "phrase"}, (11, 12)),
    ("fox brown", {"way": "phrase"}, ()),
    ("sorted list", {"way": "phrase"}, (8,)),
    # Beginnings.
    ("sock", {"way": "prefix"}, (5, 6)),
    ("read li", {"way": "prefix"}, (1, 3, 10)),
    ("socket dum", {"way": "prefix", "any": True}, (5, 6, 9)),
    # Misspelt: a letter less, and two that changed places.
    ("interfce", {"way": "fuzzy"}, (5,)),
    ("jsno", {"way": "fuzzy"}, (9,)),
    # Filters: values of one field are alternatives, fields are conditions.
    ("file", {"filters": {"kind": ("module",)}}, (4, 6, 10)),
    ("file", {"filters": {"kind": ("module", "function")}}, (1, 2, 4, 6, 10)),
    ("file", {"filters": {"kind": ("module",), "tags": ("net", "data")}}, (6, 10)),
    ("", {"filters": {"pages": ("1", "8")}}, (2, 5, 11, 12)),
    ("", {"filters": {"name": ("lazy dog",)}}, (12,)),
    ("", {"filters": {"name": ("lazy",)}}, ()),
    # Dates.
    ("", {"since": "2024", "until": "2024-02"}, (11,)),
    ("", {"since": "2024-03-01"}, (12,)),
    ("", {"until": "2019-07-07"}, (7,)),
    ("", {"until": "2019-07-07T00:00"}, ()),
    ("file", {"since": "2020-02", "until": "2021"}, (2, 4)),
]


def _asked(words: str, more: dict[str, Any]) -> Question:
    given = dict(more)
    for name, read in (("since", question.since), ("until", question.until)):
        if name in given:
            given[name] = read(given[name])
    return Question(words, size=100, **given)


@pytest.mark.parametrize("engine", [0, 1], ids=["es", "postgres"])
@pytest.mark.parametrize(("words", "more", "wanted"), _ASKED, ids=str)
def test_what_is_found(
    both: list[Engine], engine: int, words: str, more: dict[str, Any], wanted: tuple[int, ...]
) -> None:
    found = both[engine].ask(_asked(words, more))
    assert sorted(found.ids) == _numbers(*wanted)
    assert found.total == len(wanted)


# A server is asked: a few examples, and what it holds is the same for all of them.
_REAL = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_WAYS: tuple[Way, ...] = ("words", "phrase", "fuzzy", "prefix")
# What a keyboard gives, and what engines give a meaning to.
_LETTERS = "abß \t\"'`\\:*&|!()<>-+=~^@/{}[]?%$;,._0"
_TYPED = st.text(st.sampled_from(_LETTERS), min_size=1, max_size=12)


@given(_TYPED, st.sampled_from(_WAYS), st.booleans())
@_REAL
def test_whatever_is_typed_is_no_error(both: list[Engine], typed: str, way: Way, any: bool) -> None:
    if websearch.parse(typed):
        for engine in both:
            assert engine.ask(Question(typed, way=way, any=any, size=1)).total >= 0


# Phrases apart: PostgreSQL's go on from the name into the text. Nor words that only its list of
# stop words has.
_WORDS = st.sampled_from(
    [
        "file",
        "lines",
        "open",
        "read",
        "list",
        "quick",
        "brown",
        "fox",
        "dog",
        "socket",
        "json",
        "sorted",
    ]
)
_PARTS = st.tuples(st.sampled_from(["", "", "-", "or ", "or -"]), _WORDS)


@given(st.lists(_PARTS, min_size=1, max_size=5), st.booleans())
@_REAL
def test_both_engines_find_the_same(
    both: list[Engine], parts: list[tuple[str, str]], any: bool
) -> None:
    asked = Question(" ".join(map("".join, parts)), any=any, size=50)
    ours, theirs = (set(engine.ask(asked).ids) for engine in both)
    assert ours == theirs


def test_fields_and_boosts_decide_the_order(both: list[Engine]) -> None:
    for engine in both:
        in_name = engine.ask(Question("sort", fields=question.fields(["name"])))
        assert sorted(in_name.ids) == _numbers(7, 8)
        in_text = engine.ask(Question("fox", fields=question.fields(["doc"])))
        assert sorted(in_text.ids) == _numbers(11, 12)
        first = engine.ask(Question("lazy", fields=question.fields(["name^9", "doc"]))).ids[0]
        assert first == "d12"
        assert (
            engine.ask(Question("quick", fields=question.fields(["name^9", "doc"]))).ids[0] == "d11"
        )


def test_hits_have_title_snippet_score_and_source(both: list[Engine]) -> None:
    for engine in both:
        (hit,) = engine.ask(Question("jumps")).hits
        assert (hit.id, hit.title) == ("d11", "quick brown fox")
        assert "<em>jumps</em> over" in hit.snippet
        assert hit.score is not None
        assert hit.score > 0
        assert hit.source["module"] == "tales"


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        (Sort("date"), "d7 d8 d1 d2 d3 d4 d5 d6 d9 d10 d11 d12"),
        (Sort("date", True), "d12 d11 d10 d9 d6 d5 d4 d3 d2 d1 d8 d7"),
        (Sort("name"), "d2 d10 d4 d9 d12 d1 d11 d3 d6 d5 d7 d8"),
    ],
)
def test_sorting(both: list[Engine], sort: Sort, wanted: str) -> None:
    for engine in both:
        assert " ".join(engine.ask(Question("", sort=(sort,), size=50)).ids) == wanted


def test_sorting_by_numbers_then_dates(both: list[Engine]) -> None:
    asked = Question("", sort=(Sort("pages", True), Sort("date")), size=8)
    for engine in both:
        assert engine.ask(asked).ids == ("d5", "d9", "d10", "d4", "d6", "d1", "d7", "d8")


def test_facets_count_over_all_hits(both: list[Engine]) -> None:
    for engine in both:
        found = engine.ask(Question("file", facets=("kind", "tags", "date"), size=1))
        assert found.total == 5
        assert found.facets["kind"] == (Count("module", 3), Count("function", 2))
        assert set(found.facets["tags"]) == {
            *(Count("file", 4), Count("io", 4), Count("data", 1), Count("net", 1))
        }
        assert found.facets["date"] == (
            *(Count("2020", 2), Count("2021", 1), Count("2022", 1), Count("2023", 1)),
        )


def test_pages_are_disjoint_and_whole(both: list[Engine]) -> None:
    for engine in both:
        sort = (Sort("date"),)
        pages = [engine.ask(Question("", sort=sort, size=5, page=page)) for page in (1, 2, 3, 4)]
        assert [len(page.hits) for page in pages] == [5, 5, 2, 0]
        assert len({id for page in pages for id in page.ids}) == 12
        assert {page.total for page in pages} == {12}


def test_explained_scores_add_up(both: list[Engine]) -> None:
    for engine in both:
        for hit in engine.ask(Question("fox", explain=True)).hits:
            assert hit.explanation is not None
            assert hit.explanation["value"] == pytest.approx(hit.score)


def test_profiles_name_what_was_done(both: list[Engine]) -> None:
    said = [
        " ".join(line for _, line in e.ask(Question("fox", profile=True)).profile) for e in both
    ]
    assert "TermQuery doc:fox" in said[0]
    assert "ts_rank_cd" in said[1]


def test_both_are_compared(both: list[Engine]) -> None:
    asked = Question("sort or csv or json")
    answers = asking.ask(both, asked)
    found = asking.compare(both, answers, asked)
    assert found.overlap_at_10 == 1
    assert found.rank_correlation is not None
    assert set(found.latency_ms) == {"es", "postgres"}
    assert all(each > 0 for each in found.latency_ms.values())


def test_postgres_answers_without_elasticsearch(places: Places) -> None:
    alone = {name: place for name, place in places.items() if place.node.service == "postgres"}
    with asking.engines(alone, "postgres", _INDEX) as (engine,):
        assert engine.collection.title == "name"
        assert engine.ask(Question("jumps")).ids == ("d11",)
    with pytest.raises(UsageError, match="no Elasticsearch"), asking.engines(alone, "es", None):
        pass


def test_which_documents_are_meant(places: Places, both: list[Engine]) -> None:
    with pytest.raises(UnknownName) as error, asking.engines(places, "es", "c_libary"):
        pass
    assert "did you mean 'c_library'?" in error.value.hint
    with pytest.raises(UnknownName), asking.engines(places, "postgres", "c_libary"):
        pass
    with pytest.raises(UnknownName, match="no engine"), asking.engines(places, "sphinx", None):
        pass
    for name in ("", "_all", "a b", "a/b", "-x"):
        with pytest.raises(UsageError, match="cannot be"), asking.engines(places, "es", name):
            pass


def test_an_alias_or_a_pattern_is_an_index_too(client: Elasticsearch, both: list[Engine]) -> None:
    client.indices.put_alias(index=_INDEX, name="c_shelf")
    for name in ("c_shelf", "c_libr*"):
        engine = Elastic(client, finding.in_elasticsearch(client, name))
        assert engine.ask(Question("jumps")).ids == ("d11",)


def test_the_only_loaded_index_is_found(client: Elasticsearch, both: list[Engine]) -> None:
    assert _INDEX in finding.loaded(client)


def test_unknown_fields(both: list[Engine]) -> None:
    for engine in both:
        with pytest.raises(UnknownName) as error:
            engine.ask(Question("a", filters={"knid": ("x",)}))
        assert "did you mean 'kind'?" in error.value.hint


def test_a_refusal_has_its_place(client: Elasticsearch, both: list[Engine]) -> None:
    with pytest.raises(server.Refused) as error:
        server.send(client, "POST", f"/{_INDEX}/_search", '{"query":\n  {"matchh": {"a": 1}}}')
    assert "unknown query [matchh] did you mean" in error.value.reason
    assert error.value.place == (2, 14)


def test_a_red_index_is_said(client: Elasticsearch) -> None:
    index = "c_red"
    client.indices.create(
        index=index,
        settings={"index.routing.allocation.require._name": "nobody", "number_of_replicas": 0},
        wait_for_active_shards=0,
    )
    try:
        assert client.cluster.health(index=index)["status"] == "red"
        with pytest.raises(ScalelabError, match=r"no copy of the index answers \(503\)") as error:
            server.send(client, "POST", f"/{index}/_search", {"query": {"match_all": {}}})
        assert error.value.exit_code == 1
    finally:
        client.indices.delete(index=index)


def test_a_server_that_takes_no_more_is_asked_again(client: Elasticsearch) -> None:
    index = "c_full"  # as where a disk is nearly full: writes are answered with 429
    client.indices.create(index=index, settings={"number_of_replicas": 0})
    block = {"index.blocks.read_only_allow_delete": True}
    client.indices.put_settings(index=index, settings=block)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            client.indices.put_settings(index=index, settings=dict.fromkeys(block))

    try:
        made = server.send(client, "PUT", f"/{index}/_doc/1", {"a": 1}, wait=wait)
        assert made["result"] == "created"
        assert len(waits) == 2
        client.indices.put_settings(index=index, settings=block)
        with pytest.raises(ScalelabError, match=r"too busy \(429\).*blocked by") as error:
            server.send(client, "PUT", f"/{index}/_doc/2", {"a": 1}, wait=lambda seconds: None)
        assert error.value.exit_code == 1
    finally:
        client.indices.delete(index=index)


@pytest.fixture(scope="module")
def deep(client: Elasticsearch) -> Iterator[Elastic]:
    """More documents than ``from`` may skip."""
    client.options(ignore_status=404).indices.delete(index=_DEEP)
    client.indices.create(
        index=_DEEP,
        settings={"number_of_shards": 2, "number_of_replicas": 0},
        mappings={"properties": {"title": {"type": "text"}, "n": {"type": "long"}}},
    )
    actions = (
        {"_index": _DEEP, "_id": str(n), "title": "the same post", "n": n} for n in range(_DEPTH)
    )
    helpers.bulk(client, actions, refresh=True, chunk_size=5000)
    yield Elastic(client, finding.in_elasticsearch(client, _DEEP))
    client.indices.delete(index=_DEEP)


def _open_contexts(client: Elasticsearch) -> int:
    nodes = client.nodes.stats(metric="indices", index_metric="search")["nodes"].values()
    return sum(node["indices"]["search"]["open_contexts"] for node in nodes)


def test_a_page_beyond_ten_thousand(client: Elasticsearch, deep: Elastic) -> None:
    before = _open_contexts(client)
    found = deep.ask(Question("post", sort=(Sort("n"),), size=10, page=1002))
    assert found.ids == tuple(map(str, range(10_010, 10_020)))
    assert found.total == _DEPTH
    last = deep.ask(Question("post", sort=(Sort("n"),), size=10, page=1003))
    assert last.ids == tuple(map(str, range(10_020, _DEPTH)))
    beyond = deep.ask(Question("post", sort=(Sort("n"),), size=10, page=2000))
    assert (beyond.hits, beyond.total) == ((), _DEPTH)
    assert _open_contexts(client) == before  # every point in time is closed


def test_deep_pages_by_score_are_disjoint(deep: Elastic) -> None:
    pages = [deep.ask(Question("post", size=5000, page=page)) for page in (1, 2, 3)]
    assert [len(page.hits) for page in pages] == [5000, 5000, 25]
    # The first two are two requests; only within one walk is the order of equals fixed.
    assert len({*pages[2].ids}) == 25


def test_facets_of_a_deep_page_count_everything(deep: Elastic) -> None:
    found = deep.ask(Question("post", sort=(Sort("n"),), facets=("n",), size=10, page=1002))
    assert len(found.facets["n"]) == 10
    assert found.facets["n"][0].count == 1
