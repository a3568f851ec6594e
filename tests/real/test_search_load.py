"""Documents into both engines: the same whatever happens on the way, and what fails is told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, LiteralString

import pytest
from elasticsearch import Elasticsearch

from scalelab import elastic, sql
from scalelab.corpora import posts, pydoc
from scalelab.corpora._corpus import Document
from scalelab.errors import EnvironmentLacks, ScalelabError, UsageError
from scalelab.model import Place
from scalelab.search import load_elasticsearch, loading, mapping
from scalelab.search.load_elasticsearch import Elastic
from scalelab.search.load_postgres import Postgres
from scalelab.search.loading import Engine, Loaded

pytestmark = pytest.mark.search

_NAME = "load_test"


@pytest.fixture(scope="module")
def client(search_places: Mapping[str, Place]) -> Iterator[Elasticsearch]:
    with elastic.client(search_places) as connected:
        yield connected


@pytest.fixture
def place(search_places: Mapping[str, Place], client: Elasticsearch) -> Iterator[Place]:
    """The database's place; what a test has loaded goes."""
    (primary,) = sql.primaries(search_places)
    yield primary
    client.indices.delete(index=_NAME, ignore_unavailable=True)
    with sql.connect(primary) as connection:
        connection.execute("DROP TABLE IF EXISTS corpus.load_test")


Load = Callable[..., Loaded]


@pytest.fixture
def load(client: Elasticsearch, place: Place) -> Load:
    """Load documents into both engines, by the types they have."""

    def load(
        documents: Iterable[Document],
        schema: mapping.Schema | None = None,
        replace: bool = False,
        only: str = "",
    ) -> Loaded:
        documents = list(documents)
        fields = (each.fields for each in documents)
        there = None if replace else load_elasticsearch.before(client, _NAME)
        schema = schema or mapping.made("jsonl", None, None, fields, before=there)
        engines: list[Engine] = [
            Elastic(client, _NAME, schema, replace=replace),
            Postgres(lambda: sql.connect(place), _NAME, schema, replace=replace),
        ]
        result = Loaded()
        chosen = [each for each in engines if only in ("", each.outcome.engine)]
        loading.load(documents, chosen, result)
        return result

    return load


def in_elasticsearch(client: Elasticsearch) -> dict[str, Any]:
    found = client.search(index=_NAME, size=10_000, query={"match_all": {}})
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


def in_postgres(place: Place) -> dict[str, Any]:
    with sql.connect(place) as connection:
        return dict(connection.execute("SELECT id, source FROM corpus.load_test").fetchall())


def asked(place: Place, query: LiteralString, *given: object) -> Any:
    with sql.connect(place) as connection:
        row = connection.execute(query, given).fetchone()
    assert row
    return row[0]


def counts(result: Loaded) -> list[tuple[int, int, int]]:
    return [(each.created, each.updated, each.failed.count) for each in result.outcomes]


_SOME = [
    Document(f"d{n}", {"name": f"Number {n}", "text": f"the files that were read {n}", "n": n})
    for n in range(300)
]


# --- the same in both ----------------------------------------------------------------------------


def test_twice_is_once(load: Load, client: Elasticsearch, place: Place) -> None:
    assert counts(load(_SOME)) == [(300, 0, 0), (300, 0, 0)]
    assert counts(load(_SOME)) == [(0, 300, 0), (0, 300, 0)]
    assert in_elasticsearch(client) == in_postgres(place) == {d.id: d.fields for d in _SOME}


def test_of_one_id_the_last_counts(load: Load, client: Elasticsearch, place: Place) -> None:
    many = [Document(str(n % 3), {"n": n}) for n in range(5000)]
    result = load(many)
    assert result.repeated == 4997
    assert in_elasticsearch(client) == in_postgres(place)
    assert sorted(each["n"] for each in in_postgres(place).values()) == [4997, 4998, 4999]


def test_what_changed_is_written_over_and_new_fields_come(
    load: Load, client: Elasticsearch, place: Place
) -> None:
    load(_SOME)
    load([Document("d1", {"name": "Other", "new": True}), Document("x", {"n": 5})])
    assert in_elasticsearch(client) == in_postgres(place)
    assert in_postgres(place)["d1"] == {"name": "Other", "new": True}
    assert len(in_postgres(place)) == 301


def test_replaced_whole(load: Load, client: Elasticsearch, place: Place) -> None:
    load(_SOME)
    assert counts(load([Document("x", {"n": "no number"})], replace=True)) == [(1, 0, 0), (1, 0, 0)]
    assert in_elasticsearch(client) == in_postgres(place) == {"x": {"n": "no number"}}


def test_both_find_the_words_of_the_library(
    load: Load, client: Elasticsearch, place: Place
) -> None:
    said = {
        "pathlib.Path.read_text": "Open the file in text mode, read it, and close the file.",
        "os.path.join": "Join two or more pathname components.",
        "lzma.open": "Open an LZMA-compressed file in binary or text mode.",
    }
    documents = [Document(name, {"name": name, "doc": doc}) for name, doc in said.items()]
    schema = mapping.made("pydoc", pydoc.CORPUS.mapping, pydoc.CORPUS.meta, [])
    load(documents, schema)
    query = {"multi_match": {"query": "reading files", "fields": list(schema.meta.fields)}}
    hits = client.search(index=_NAME, query=query)["hits"]["hits"]
    assert hits[0]["_id"] == "pathlib.Path.read_text"
    found = asked(
        place,
        "SELECT array_agg(id) FROM corpus.load_test"
        " WHERE words @@ plainto_tsquery('english', 'reading files')",
    )
    assert found == ["pathlib.Path.read_text"]


# --- what is made --------------------------------------------------------------------------------


def test_an_index_says_how_it_is_searched(load: Load, client: Elasticsearch, place: Place) -> None:
    load(_SOME)
    made = client.indices.get(index=_NAME)[_NAME]
    meta = {"corpus": "jsonl", "title": "name", "fields": ["name^3", "text"], "facets": []}
    assert made["mappings"]["_meta"]["scalelab"] == {**meta, "date": None}
    assert made["settings"]["index"]["number_of_replicas"] == "0"
    assert "refresh_interval" not in made["settings"]["index"]
    comment = asked(place, "SELECT obj_description('corpus.load_test'::regclass)::jsonb")
    assert comment == {**meta, "date": None}


def test_titles_weigh_more_in_the_table(load: Load, place: Place) -> None:
    load(_SOME[:1])
    assert asked(place, "SELECT words::text FROM corpus.load_test") == (
        "'0':2A,8B 'file':4B 'number':1A 'read':7B"
    )
    assert asked(place, "SELECT whole FROM corpus.load_test") == (
        "Number 0\nthe files that were read 0"
    )
    indices = "SELECT count(*) FROM pg_indexes WHERE tablename = 'load_test' AND indexdef ~ 'gin'"
    assert asked(place, indices) == 2


def test_own_settings_last(load: Load, client: Elasticsearch) -> None:
    given = {"index": {"refresh_interval": "7s", "number_of_shards": 2}}
    schema = mapping.made("jsonl", None, None, [], {"mappings": {}, "settings": given})
    for _ in range(2):
        load(_SOME[:3], schema, only="elasticsearch")
        index = client.indices.get_settings(index=_NAME)[_NAME]["settings"]["index"]
        assert (index["refresh_interval"], index["number_of_shards"]) == ("7s", "2")


def test_posts_with_dates_that_are_none(load: Load, client: Elasticsearch) -> None:
    schema = mapping.made("posts", posts.CORPUS.mapping, posts.CORPUS.meta, [])
    documents = [
        Document("1", {"text": "one", "created_at": "2024-05-01T00:00:00+00:00"}),
        Document("2", {"text": "two", "created_at": "yesterday"}),
    ]
    assert counts(load(documents, schema))[0] == (2, 0, 0)
    query = {"range": {"created_at": {"gte": "2024"}}}
    assert [h["_id"] for h in client.search(index=_NAME, query=query)["hits"]["hits"]] == ["1"]


# --- what fails ----------------------------------------------------------------------------------


def test_documents_that_fail_are_told_and_the_others_are_there(
    load: Load, client: Elasticsearch, place: Place
) -> None:
    odd = [
        Document("type", {"n": "many"}),
        Document("nul", {"n": 1, "text": "a\0b"}),
        Document("deep", {"n": 2, "a": {"b": 1}}),
        Document("flat", {"n": 3, "a": 1}),
    ]
    schema = mapping.made("jsonl", None, None, [_SOME[0].fields, odd[2].fields])
    result = load([*_SOME, *odd], schema)
    elasticsearch, postgres = result.outcomes
    failed = dict(elasticsearch.failed.first)
    assert set(failed) == {"type", "flat"}
    assert failed["type"] == 'failed to parse field [n] of type [long]: For input string: "many"'
    assert "object mapping for [a]" in failed["flat"]
    assert postgres.failed.first == [("nul", "PostgreSQL keeps no text with a NUL in it")]
    assert len(in_postgres(place)) == 303
    assert len(in_elasticsearch(client)) == 302


def test_a_document_over_the_size_limit(load: Load, client: Elasticsearch) -> None:
    large = Document("large", {"text": "x" * 105_000_000})
    result = load([*_SOME[:2], large], mapping.made("jsonl", None, None, []), only="elasticsearch")
    ((id, why),) = result.outcomes[0].failed.first
    assert (id, result.outcomes[0].created) == ("large", 2)
    assert "the server takes 104,857,600 (http.max_content_length)" in why


def test_a_bulk_over_the_size_limit_goes_in_parts(
    load: Load, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_elasticsearch, "_BYTES", 10**9)
    documents = [Document(str(n), {"blob": "x" * 1_000_000}) for n in range(110)]
    properties = {"blob": {"type": "keyword", "index": False, "doc_values": False}}
    schema = mapping.made("jsonl", properties, None, [])
    result = load(documents, schema, only="elasticsearch")
    assert counts(result) == [(110, 0, 0)]
    assert client.count(index=_NAME)["count"] == 110


def test_a_mapping_the_server_refuses(load: Load, client: Elasticsearch, place: Place) -> None:
    given = {"mappings": {"properties": {"n": {"type": "lnog"}}}}
    with pytest.raises(UsageError, match=r"refuses the mapping .* type \[lnog\]"):
        load(_SOME, mapping.made("jsonl", None, None, [], given))
    assert not client.indices.exists(index=_NAME)
    load(_SOME)
    given["mappings"]["properties"]["n"]["type"] = "keyword"
    with pytest.raises(UsageError, match="cannot be changed") as caught:
        load(_SOME, mapping.made("jsonl", None, None, [], given))
    assert "--replace" in caught.value.hint


def test_a_text_longer_than_the_words_of_a_table(load: Load, place: Place) -> None:
    words = " ".join(f"w{n}" for n in range(150_000))
    result = load([Document("a", {"text": words})])
    assert counts(result) == [(1, 0, 0), (1, 0, 0)]
    assert asked(place, "SELECT whole FROM corpus.load_test") == words


# --- trouble on the way --------------------------------------------------------------------------


def test_a_busy_server_is_waited_for_and_nothing_is_lost(load: Load, client: Elasticsearch) -> None:
    """The limit of what may be under way is lowered until bulks have been refused (429)."""

    def limit(value: str | None) -> None:
        settings = {"network.breaker.inflight_requests.limit": value}
        client.cluster.put_settings(persistent=settings)

    def tripped() -> int:
        nodes = client.nodes.stats(metric="breaker")["nodes"].values()
        return sum(int(each["breakers"]["inflight_requests"]["tripped"]) for each in nodes)

    def relent(before: int) -> None:
        deadline = time.monotonic() + 60
        while tripped() < before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        limit(None)

    documents = [Document(str(n), {"text": f"some words {n}"}) for n in range(3000)]
    patient = threading.Thread(target=relent, args=(tripped(),))
    limit("2kb")
    patient.start()
    try:
        result = load(documents, only="elasticsearch")
    finally:
        patient.join()
        limit(None)
    assert counts(result) == [(3000, 0, 0)]
    assert client.count(index=_NAME)["count"] == 3000


def test_an_index_that_takes_no_writes(load: Load, client: Elasticsearch) -> None:
    load(_SOME[:1], only="elasticsearch")
    client.indices.put_settings(index=_NAME, settings={"index.blocks.write": True})
    with pytest.raises(ScalelabError, match="blocked") as caught:
        load(_SOME, only="elasticsearch")
    assert "takes no writes" in caught.value.message


def test_a_database_that_ends_leaves_its_table_as_it_was(
    load: Load, client: Elasticsearch, place: Place
) -> None:
    load(_SOME[:10])
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^COPY incoming'"

    def documents() -> Iterator[Document]:
        yield from _SOME
        with sql.connect(place) as other:
            other.execute(ends)
        yield from (Document(f"later{n}", {"n": n, "text": "x" * 500}) for n in range(12_000))

    schema = mapping.made("jsonl", None, None, [_SOME[0].fields])
    engines: list[Engine] = [
        Elastic(client, _NAME, schema),
        Postgres(lambda: sql.connect(place), _NAME, schema),
    ]
    with pytest.raises(EnvironmentLacks, match="PostgreSQL does not answer") as caught:
        loading.load(documents(), engines, Loaded())
    assert any(line.startswith("postgres: 0 of the ") for line in caught.value.details)
    assert len(in_postgres(place)) == 10
    assert counts(load(_SOME))[1] == (290, 10, 0)
    assert in_postgres(place) == {d.id: d.fields for d in _SOME}


def test_a_server_that_goes_away(
    load: Load, client: Elasticsearch, place: Place, search_places: Mapping[str, Place]
) -> None:
    """Closing the way to it looks to the tool as a server that was killed."""
    target = elastic.nodes(search_places)[0].client
    with _Way(target.host, target.port) as way:
        through = Elasticsearch(
            f"http://127.0.0.1:{way.port}",
            basic_auth=("lab", elastic.nodes(search_places)[0].password),
        )

        def documents() -> Iterator[Document]:
            for n in range(12_000):
                if n == 4000:
                    way.cut()
                yield Document(str(n), {"text": f"some words {n}"})

        schema = mapping.made("jsonl", None, None, [{"text": "some words that are prose"}])
        with (
            through,
            pytest.raises(EnvironmentLacks, match=r"Elasticsearch (does not|has ended)") as e,
        ):
            loading.load(documents(), [Elastic(through, _NAME, schema)], Loaded())
    assert "run it again" in e.value.hint
    assert e.value.details[0].startswith("elasticsearch: ")
    again = [Document(str(n), {"text": f"some words {n}"}) for n in range(12_000)]
    ((created, updated, failed),) = counts(load(again, schema, only="elasticsearch"))
    assert (created + updated, failed) == (12_000, 0)
    assert client.count(index=_NAME)["count"] == 12_000


class _Way:
    """A TCP forwarder in front of a server, which can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> _Way:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                other = socket.create_connection(self._target)
                self._open += [one, other]
                for a, b in ((one, other), (other, one)):
                    threading.Thread(target=_pump, args=(a, b), daemon=True).start()


def _pump(source: Any, target: Any) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()
