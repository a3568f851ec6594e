"""scalelab search load and search mapping, as one types them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scalelab import elastic, sql
from scalelab.ledger import Ledger
from tests.conftest import Run, tool

pytestmark = pytest.mark.search

_DIRTY = """\
{"id": 1, "title": "The first", "text": "Some words about files", "year": 1999}
{"id": 2, "title": "The second",
{"id": 3, "title": "The third", "text": "Other words", "year": "unknown"}
{"id": 4, "title": "The fourth", "text": "More words"}
[]
{"id": 4, "title": "The fourth again", "text": "More words"}
"""
_MADE = ("cli_dirty", "cli_table", "cli_story", "cli_pydoc", "cli_given")

Search = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def loaded(search_state: Path) -> Iterator[Path]:
    """The shared cluster; what these tests load there goes."""
    yield search_state
    (cluster,) = Ledger(search_state).clusters()[0]
    with elastic.client(cluster.places) as client:
        client.indices.delete(index=",".join(_MADE), ignore_unavailable=True)
    with sql.connect(sql.primaries(cluster.places)[0]) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS corpus.cli_dirty, corpus.cli_table, corpus.cli_story,"
            " corpus.cli_pydoc, corpus.cli_given"
        )


@pytest.fixture
def search(loaded: Path, tmp_path: Path) -> Search:
    """Run `scalelab search` on the shared cluster, in a folder of files to load."""
    (tmp_path / "cli_dirty.jsonl").write_text(_DIRTY)
    (tmp_path / "cli_table.csv").write_bytes(b"isbn;title;year\n1;B\xfcro;1999\n2;a\n3;c;2001\n")
    (tmp_path / "cli_story.txt").write_text("CHAPTER I\n\nOnce there was a file.\n\nThe end.\n")

    return partial(tool, loaded, "search", cwd=tmp_path, timeout_s=300)


def test_a_dirty_file_is_loaded_and_what_is_missing_is_listed(
    search: Search, tmp_path: Path
) -> None:
    (tmp_path / "types.json").write_text('{"year": {"type": "long"}}')
    done = search("load", "cli_dirty.jsonl", "--mapping", "types.json", code=1)
    said = done.stdout.splitlines()
    assert said[0] == "cli_dirty · jsonl · 4 documents read"
    assert said[1].split() == ["engine", "new", "there", "before", "failed", "seconds", "docs/s"]
    assert said[2].split()[:4] == ["elasticsearch", "2", "0", "1"]
    assert said[3].split()[:4] == ["postgres", "3", "0", "0"]
    assert said[4] == "not read:"
    assert said[5].startswith("  line 2: no JSON: ")
    assert said[6:] == [
        "  line 5: a JSON array, not an object",
        "not in elasticsearch:",
        '  3: failed to parse field [year] of type [long]: For input string: "unknown"',
    ]
    assert done.stderr.splitlines() == [
        "an id came again once: the last document of each id counts",
        "error: 2 records could not be read; 1 document could not be loaded into elasticsearch",
        "do: mend them and load again: the rest is loaded",
    ]


def test_the_document_again_and_the_same(search: Search) -> None:
    search("load", "cli_table.csv", code=1)
    done = search("load", "cli_table.csv", "--json", code=1)
    read: dict[str, Any] = json.loads(done.stdout)
    for engine in read["engines"].values():
        assert engine.pop("seconds") > 0
        assert engine.pop("documents_per_s") > 0
    nothing = {"count": 0, "first": []}
    assert read == {
        "schema": "scalelab.search-load",
        "version": 1,
        "index": "cli_table",
        "corpus": "csv",
        "read": 2,
        "repeated_ids": 0,
        "rejected": {
            "count": 1,
            "first": [{"where": "line 3", "why": "2 values where the header has 3"}],
        },
        "engines": {
            "elasticsearch": {"created": 0, "updated": 2, "failed": nothing},
            "postgres": {"created": 0, "updated": 2, "failed": nothing},
        },
    }
    assert done.stderr.startswith("line 2 is not UTF-8: it is read as Latin-1")


def test_the_library_needs_no_file(search: Search) -> None:
    done = search("load", "pydoc", "--index", "cli_pydoc", "--into", "es", "--json")
    read = json.loads(done.stdout)
    assert read["engines"]["elasticsearch"]["created"] == read["read"] > 4000
    assert list(read["engines"]) == ["elasticsearch"]


def test_a_mapping_is_shown(search: Search) -> None:
    search("load", "cli_story.txt", "--into", "es")
    done = search("mapping", "--index", "cli_story")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["cli_story", "·", "book"]
    assert ["text", "text", "english"] in lines
    assert ["book", "keyword", "ignore_above=256"] in lines
    assert ["fields:", "text,", "chapter"] in lines
    read = json.loads(search("mapping", "--index", "cli_story", "--json").stdout)
    assert (read["schema"], read["version"]) == ("scalelab.search-mapping", 1)
    assert read["mappings"]["properties"]["paragraph"] == {"type": "integer"}
    done = search("mapping", "--index", "cli_stroy", code=2)
    assert "did you mean 'cli_story'?" in done.stderr
    for columns in ("80", "60"):
        shown = search("mapping", "--index", "cli_story", COLUMNS=columns).stdout
        assert all(len(line) <= int(columns) for line in shown.splitlines())


def test_a_mapping_is_given(search: Search, tmp_path: Path) -> None:
    (tmp_path / "types.json").write_text('{"properties": {"year": {"type": "keyword"}}}')
    given = ("--index", "cli_given", "--mapping", "types.json")
    done = search("load", "cli_dirty.jsonl", *given, "--json", code=1)
    assert json.loads(done.stdout)["engines"]["elasticsearch"]["failed"]["count"] == 0
    (tmp_path / "types.json").write_text('{"properties": {"year": {"type": "long"}}}')
    done = search("load", "cli_dirty.jsonl", *given, code=2)
    assert "cannot be changed from type [keyword] to [long]" in done.stderr
    done = search("load", "cli_dirty.jsonl", *given, "--replace", "--json", code=1)
    assert json.loads(done.stdout)["engines"]["elasticsearch"]["failed"]["count"] == 1


def test_a_mapping_the_server_refuses(search: Search, tmp_path: Path) -> None:
    (tmp_path / "types.json").write_text('{"properties": {"year": {"type": "lnog"}}}')
    done = search("load", "cli_table.csv", "-i", "cli_none", "--mapping", "types.json", code=2)
    assert "refuses the mapping of cli_none: The mapper type [lnog]" in done.stderr


# --- a cluster without search, and none ----------------------------------------------------------


def test_without_elasticsearch(run: Run, tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Once there was a file.\n\nThe end.\n")
    run("up", "single", "-r", "local")
    done = run("search", "load", "story.txt")
    assert "single has no Elasticsearch: loaded into PostgreSQL alone" in done.stderr
    assert done.stdout.splitlines()[2].split()[:3] == ["postgres", "2", "0"]
    assert (
        "single has no Elasticsearch"
        in run("search", "load", "story.txt", "--into", "es", code=2).stderr
    )
    assert "single has no Elasticsearch" in run("search", "mapping", code=2).stderr
    run("stop", "primary")
    done = run("search", "load", "story.txt", code=4)
    assert "PostgreSQL does not answer" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope.csv"], "error: there is no file nope.csv\ndo: without a file: pydoc"),
        (["pydok"], "error: there is no file pydok\ndo: without a file: pydoc"),
        (["posts"], "error: posts is read from a file\ndo: scalelab search load FILE --as posts"),
        (["."], "is a folder, not a file"),
        ([".", "--as", "csv"], "is a folder, not a file"),
        (["empty.csv"], "empty.csv is empty"),
        (["odd"], "nothing in the name of odd says what it is"),
        (["odd", "--as", "nope"], "there is no kind of corpus 'nope'\ndo: kinds of corpus: book"),
        (["odd", "--as", "pydoc"], "pydoc is read from no file"),
        (["odd", "--as", "csv", "--index", "Büro"], "'Büro' cannot be an index's name"),
        (["odd", "--as", "csv", "--index", "_x"], "'_x' cannot be an index's name"),
        (["odd", "--as", "csv", "--into", "all"], "there is no engine 'all'"),
        (["odd", "--as", "csv", "--mapping", "nope.json"], "nope.json cannot be read"),
        (["odd", "--as", "csv", "--mapping", "odd"], "odd is no JSON"),
        (["odd", "--as", "csv"], "no cluster is up"),
    ],
)
def test_what_cannot_be_done(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "odd").write_text("a,b\n")
    (tmp_path / "empty.csv").touch()
    assert said in run("search", "load", *arguments, code=2).stderr
