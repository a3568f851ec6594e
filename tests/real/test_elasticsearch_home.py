"""The real server, fetched and unpacked, and what our plugin gives it by a full server's names."""

from __future__ import annotations

import argparse
import email
import json
import pydoc
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import BadRequestError, Elasticsearch

from scalelab import elastic
from scalelab.errors import EnvironmentLacks
from scalelab.model import Place
from scalelab.services import _elasticsearch_home as home
from scalelab.services import _elasticsearch_java as java
from scalelab.services import _elasticsearch_plugin as plugin

pytestmark = pytest.mark.search

INDEX = "home_analysis"

ANALYSIS = {
    "filter": {
        "beginnings": {"type": "edge_ngram", "min_gram": 2, "max_gram": 4},
        "pieces": {"type": "ngram", "min_gram": 2, "max_gram": 3},
        "both": {"type": "asciifolding", "preserve_original": True},
        "alike": {"type": "synonym", "synonyms": ["tv, television", "colour => color"]},
        "phrases": {"type": "synonym_graph", "synonyms": ["dns, domain name system"]},
        "one_way": {"type": "synonym", "synonyms": ["tv, telly"], "expand": False},
        "possessive": {"type": "stemmer", "language": "possessive_english"},
        "endings": {"type": "stemmer", "language": "english"},
        "plurals": {"type": "stemmer", "name": "minimal_english"},
    },
    "tokenizer": {
        "typed": {"type": "edge_ngram", "min_gram": 2, "max_gram": 3, "token_chars": ["letter"]},
        "cut": {"type": "ngram", "min_gram": 2, "max_gram": 2, "token_chars": ["digit", "symbol"]},
    },
    "analyzer": {
        "rebuilt": {"filter": ["possessive", "lowercase", "stop", "endings"]},
        "all_words": {"type": "english", "stopwords": "_none_"},
        "few_words": {"type": "english", "stopwords": ["file"], "stem_exclusion": ["running"]},
        "beginnings": {"filter": ["lowercase", "beginnings"]},
        "pieces": {"filter": ["pieces"]},
        "both": {"filter": ["both"]},
        "alike": {"filter": ["lowercase", "alike"]},
        "phrases": {"filter": ["lowercase", "phrases"]},
        "one_way": {"filter": ["lowercase", "one_way"]},
        "plurals": {"filter": ["plurals"]},
        "typed": {"tokenizer": "typed"},
        "cut": {"tokenizer": "cut"},
        "page": {"char_filter": ["html_strip"]},
    },
}
for made in ANALYSIS["analyzer"].values():
    if "type" not in made:
        made.setdefault("tokenizer", "standard")


@pytest.fixture(scope="module")
def server(search_places: dict[str, Place]) -> Iterator[Elasticsearch]:
    """The shared server, with an index whose mapping uses all that the plugin has."""
    with elastic.connect(search_places["search"], patience_s=60) as client:
        fields = {name: {"type": "text", "analyzer": name} for name in ANALYSIS["analyzer"]}
        fields["typing"] = {
            "type": "text",
            "analyzer": "beginnings",
            "search_analyzer": "standard",
        }
        client.indices.create(
            index=INDEX,
            settings={"number_of_replicas": 0, "analysis": ANALYSIS},
            mappings={"properties": {"text": {"type": "text", "analyzer": "english"}, **fields}},
        )
        yield client
        client.indices.delete(index=INDEX)


def _words(server: Elasticsearch, text: str, **how: Any) -> list[str]:
    answer = server.indices.analyze(index=INDEX, text=text, **how)
    return [token["token"] for token in answer["tokens"]]


@pytest.mark.parametrize(
    ("analyzer", "text", "words"),
    [
        ("english", "The dog's RUNNING to the houses", ["dog", "run", "hous"]),
        ("all_words", "the houses", ["the", "hous"]),
        ("few_words", "running the file runs", ["running", "the", "run"]),
        ("beginnings", "Open a", ["op", "ope", "open"]),
        ("pieces", "file", ["fi", "fil", "il", "ile", "le"]),
        ("both", "café", ["cafe", "café"]),
        ("alike", "Colour TV", ["color", "tv", "television"]),
        ("phrases", "DNS", ["domain", "dns", "name", "system"]),
        ("one_way", "telly", ["tv"]),
        ("plurals", "houses running", ["house", "running"]),
        ("typed", "open 42", ["op", "ope"]),
        ("cut", "x123 €$", ["12", "23", "€$"]),
        ("page", "<p>a <b>bold</b> word</p>", ["a", "bold", "word"]),
    ],
)
def test_an_analyzer(server: Elasticsearch, analyzer: str, text: str, words: list[str]) -> None:
    assert _words(server, text, analyzer=analyzer) == words


@pytest.mark.parametrize(
    ("tokenizer", "filters", "words"),
    [
        ("standard", ["asciifolding"], ["Cafes", "Zoe's", "houses"]),
        ("standard", ["porter_stem"], ["Café", "Zoë'", "hous"]),
        ("standard", ["kstem"], ["Cafés", "Zoë's", "house"]),
        ("standard", ["uppercase"], ["CAFÉS", "ZOË'S", "HOUSES"]),
        ("standard", ["reverse"], ["séfaC", "s'ëoZ", "sesuoh"]),
        ("whitespace", [], ["Cafés,", "Zoë's", "houses"]),
        ("letter", ["lowercase"], ["cafés", "zoë", "s", "houses"]),
        ("keyword", ["trim"], ["Cafés, Zoë's houses"]),
    ],
)
def test_parts_by_their_own_names(
    server: Elasticsearch, tokenizer: str, filters: list[str], words: list[str]
) -> None:
    assert _words(server, "Cafés, Zoë's houses", tokenizer=tokenizer, filter=filters) == words


def test_english_is_what_a_full_server_says_it_is(server: Elasticsearch) -> None:
    # Elasticsearch's reference tells how to put its `english` together from parts.
    text = "\n".join(pydoc.render_doc(module) for module in (argparse, json, email, tempfile))
    text = text.encode("ascii", "replace").decode()[:60_000]
    answers = [
        server.indices.analyze(index=INDEX, text=text.splitlines()[:1500], analyzer=name)
        for name in ("english", "rebuilt")
    ]
    assert len(answers[0]["tokens"]) > 1000
    assert answers[0]["tokens"] == answers[1]["tokens"]


def test_search_as_one_types(server: Elasticsearch) -> None:
    server.index(index=INDEX, id="a", document={"typing": "Tempfile", "text": "the dog's houses"})
    server.indices.refresh(index=INDEX)

    def found(**query: str) -> list[str]:
        hits = server.search(index=INDEX, query={"match": query})["hits"]["hits"]
        return [hit["_id"] for hit in hits]

    assert found(typing="temp") == ["a"]
    assert found(typing="tenp") == []
    assert found(text="a dog housing") == ["a"]


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("filter", {"type": "stemmer", "language": "german"}, "stems English alone"),
        ("filter", {"type": "synonym", "synonyms": ["a => b => c"]}, "Invalid synonym rule"),
        ("filter", {"type": "edge_ngram", "min_gram": 3, "max_gram": 2}, "minGram must not"),
        ("tokenizer", {"type": "ngram", "token_chars": ["runes"]}, "no token_chars are called"),
    ],
)
def test_a_wrong_setting_is_the_users_fault(
    server: Elasticsearch, kind: str, settings: dict[str, Any], why: str
) -> None:
    used = {"tokenizer": "wrong"} if kind == "tokenizer" else {"filter": ["wrong"]}
    analysis = {
        kind: {"wrong": settings},
        "analyzer": {"x": {"type": "custom", "tokenizer": "standard", **used}},
    }
    with pytest.raises(BadRequestError, match=why):
        server.indices.create(index="home_wrong", settings={"analysis": analysis})


def test_the_server_that_is_here(java_ready: None) -> None:
    found = home.find()
    assert found.folder.is_dir()
    assert found.analyzes
    assert found.version.startswith(("8.", "9."))
    assert (found.java / "bin" / "java").is_file()


def test_the_plugin_is_there_complete_or_not_at_all(java_ready: None, tmp_path: Path) -> None:
    found = home.find()
    target = tmp_path / "server"
    target.mkdir()
    (target / "lib").symlink_to(found.folder / "lib")
    with pytest.raises(EnvironmentLacks, match="could not be compiled"):
        plugin.install(target, found.version, _java_without_compiler(tmp_path))
    assert not plugin.installed(target, found.version)
    assert list(target.rglob("*.jar")) == []
    plugin.install(target, found.version, found.java)
    assert plugin.installed(target, found.version)
    assert not plugin.installed(target, "8.0.0")
    first = (target / "plugins" / plugin.NAME / f"{plugin.NAME}.jar").read_bytes()
    plugin.install(target, found.version, found.java)
    assert (target / "plugins" / plugin.NAME / f"{plugin.NAME}.jar").read_bytes() == first
    assert sorted(path.name for path in target.iterdir()) == ["lib", "plugins"]


def _java_without_compiler(folder: Path) -> Path:
    program = folder / "jre" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'Module jdk.compiler not found' >&2\nexit 1\n")
    program.chmod(0o755)
    return folder / "jre"


def test_the_server_misses_none_of_the_modules_that_are_asked_for(java_ready: None) -> None:
    found = home.find()

    def run(*arguments: str | Path) -> str:
        command = [found.java / "bin" / "java", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    enough = run("--limit-modules", ",".join(java._MODULES), "--list-modules")
    has = {line.partition("@")[0] for line in enough.splitlines()}
    said = run(
        *("--module-path", found.folder / "lib"),
        *("--add-modules", "ALL-MODULE-PATH,jdk.net,jdk.management.agent"),
        *("--show-module-resolution", "--dry-run"),
        *("-m", "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch"),
    )
    # Java's own modules ask for more, but only where those that they provide for are there.
    needs = set(re.findall(r"^(?!java\.|jdk\.)\S+ requires \S+ jrt:/(\S+)", said, re.MULTILINE))
    assert {"java.sql", "jdk.jdi", "jdk.net"} <= needs
    assert needs <= has
