"""scalelab search, as one types it: words, requests, REST by hand, the prompt; and wrong input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from scalelab.ledger import Ledger
from tests.conftest import Run, environment, tool
from tests.real import search_corpus

pytestmark = pytest.mark.search

_INDEX = "c_shop"

Search = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def loaded(search_state: Path) -> Iterator[Path]:
    (cluster,) = Ledger(search_state).clusters()[0]
    search_corpus.load(cluster.places, _INDEX)
    yield search_state
    search_corpus.drop(cluster.places, _INDEX)


@pytest.fixture
def search(loaded: Path, tmp_path: Path) -> Search:
    """Run `scalelab search` on the twelve documents."""

    usual = {"SCALELAB_INDEX": _INDEX, "COLUMNS": "80"}
    return lambda *arguments, **more: tool(
        loaded, "search", *arguments, cwd=tmp_path, timeout_s=120, **{**usual, **more}
    )


def _read(search: Search, *arguments: str, **more: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(search(*arguments, "--json", **more).stdout)
    return read


def _ids(found: dict[str, Any], engine: int = 0) -> list[str]:
    return sorted(hit["id"] for hit in found["answers"][engine]["hits"])


# --- words ---------------------------------------------------------------------------------------


def test_words_are_searched(search: Search) -> None:
    said = search("open a file and read lines").stdout
    assert "1-1 of 1 hit in c_shop · Elasticsearch took" in said
    assert "1" in said.split("rank")[1]
    assert "open  d1" in said
    assert "Open a file and return a stream." in said
    assert "\x1b" not in said


def test_words_need_no_quotes(search: Search) -> None:
    assert _ids(_read(search, "file", "lines")) == ["d1", "d10", "d4"]
    assert _ids(_read(search, "query", "file lines")) == ["d1", "d10", "d4"]
    negated = search("--json", "--", "file", "-lines").stdout
    assert _ids(json.loads(negated)) == ["d2", "d6"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["brown fox", "--phrase"], "d11 d12"),
        (["jsno", "--fuzzy"], "d9"),
        (["read li", "--prefix"], "d1 d10 d3"),
        (["socket brown", "--any"], "d11 d12 d5 d6"),
        (["file", "--field", "doc^2", "--field", "name"], "d1 d10 d2 d4 d6"),
        (["file", "--filter", "kind=module", "--filter", "kind=method"], "d10 d4 d6"),
        (["file", "--filter", "kind=module", "--filter", "tags=net"], "d6"),
        (["--since", "2024", "--until", "2024-02"], "d11"),
        (["file", "--size", "2", "--page", "3", "--sort", "date"], "d10"),
    ],
)
def test_each_option(search: Search, arguments: list[str], wanted: str) -> None:
    found = _read(search, *arguments, "--engine", "both")
    assert " ".join(_ids(found)) == wanted
    assert " ".join(_ids(found, 1)) == wanted


def test_an_options_value_is_no_command(search: Search) -> None:
    done = search("--index", "load", "file", code=2)
    assert "there is no index 'load'" in done.stderr
    assert _ids(_read(search, "--index", _INDEX, "load")) == ["d9"]  # the word, not the command
    assert _ids(_read(search, "query", "load")) == ["d9"]


def test_both_engines_side_by_side(search: Search) -> None:
    said = search("file lines", "-e", "both", "--facet", "kind").stdout
    assert "Elasticsearch" in said
    assert "PostgreSQL" in said
    assert "in both: 100% of the first ten" in said
    assert "kind · PostgreSQL" in said
    assert "median ms" in said


def test_facets_are_bars(search: Search) -> None:
    said = search("--facet", "kind", "--size", "1").stdout
    lines = [line.split() for line in said.splitlines()]
    assert ["module", "5", "█" * 24] in lines
    assert ["story", "2", "█" * 9 + "▋"] in lines


def test_explained_and_profiled(search: Search) -> None:
    said = search("jumps", "--explain", "--profile").stdout
    assert "idf, computed as log(1 + (N - n + 0.5) / (n + 0.5)) from:" in said
    assert "where Elasticsearch's time went" in said
    said = search("jumps", "--explain", "--profile", "-e", "postgres").stdout
    assert "ts_rank_cd" in said
    assert "PostgreSQL looks for 'jump'" in said
    assert "Execution Time" in said


def test_the_document_is_of_one_form(search: Search) -> None:
    found = _read(search, "fox", "-e", "both", "--facet", "kind", "--explain", "--size", "1")
    assert (found["schema"], found["version"]) == ("scalelab.search", 1)
    assert set(found) == {"schema", "version", "index", "question", "answers", "comparison"}
    assert found["index"] == _INDEX
    assert found["question"] == {
        "words": "fox",
        "way": "words",
        "any": False,
        "fields": [],
        "filters": {},
        "since": None,
        "until": None,
        "sort": [],
        "size": 1,
        "page": 1,
    }
    for answer, engine in zip(found["answers"], ("es", "postgres"), strict=True):
        assert set(answer) == {
            *("engine", "total", "took_ms", "hits", "facets", "profile", "notes"),
        }
        assert (answer["engine"], answer["total"]) == (engine, 2)
        assert answer["facets"] == {"kind": [{"value": "story", "count": 2}]}
        (hit,) = answer["hits"]
        assert set(hit) == {"rank", "id", "score", "title", "snippet", "source", "explanation"}
        assert hit["rank"] == 1
    assert set(found["comparison"]) == {"overlap_at_10", "rank_correlation", "latency_ms"}
    assert set(found["comparison"]["latency_ms"]) == {"es", "postgres"}
    assert _read(search, "fox")["comparison"] is None


def test_nothing_found_says_what_may_find_more(search: Search) -> None:
    done = search("socket brown")
    assert "nothing found" in done.stdout
    assert "--any" in done.stderr
    assert "--fuzzy" in search("jsno").stderr
    assert "scalelab search analyze" in search("analyse").stderr


def test_a_page_beyond_the_last(search: Search) -> None:
    assert "page 9 is beyond the last one, 1: 5 hits" in search("file", "--page", "9").stdout


# --- a request of one's own ----------------------------------------------------------------------

_AGGREGATED = {
    "size": 1,
    "query": {"match": {"doc": "file"}},
    "highlight": {"fields": {"doc": {}}},
    "aggs": {
        "kinds": {
            "terms": {"field": "kind"},
            "aggs": {"length": {"avg": {"field": "pages"}}, "tags": {"terms": {"field": "tags"}}},
        },
        "pages": {"stats": {"field": "pages"}},
    },
    "suggest": {"meant": {"text": "sockt", "term": {"field": "doc"}}},
}


def test_a_request_in_the_query_dsl(search: Search, tmp_path: Path) -> None:
    text = json.dumps(_AGGREGATED, indent=1)
    (tmp_path / "request.json").write_text(text)
    said = search("--dsl", text).stdout
    assert "5 hits, 1 shown in c_shop" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["count", "length"] in lines
    assert ["module", "3", "5", "█" * 16] in lines
    assert next(x for x in lines if "sum" in x)[1:] == ["min", "max", "avg", "sum"]
    assert "meant: did you mean" in said
    assert "socket (" in said

    def shown(text: str) -> list[str]:
        return [line for line in text.splitlines() if "took" not in line]

    assert shown(search("--dsl", "request.json").stdout) == shown(said)
    assert shown(search("--dsl", "-", input=text).stdout) == shown(said)


def test_a_request_as_a_document(search: Search) -> None:
    found = _read(search, "--dsl", '{"query": {"ids": {"values": ["d3"]}}}')
    assert (found["schema"], found["version"]) == ("scalelab.search-dsl", 1)
    assert set(found) == {"schema", "version", "index", "took_ms", "response"}
    assert found["response"]["hits"]["hits"][0]["_id"] == "d3"


def test_the_request_for_curl_and_python_is_the_request(
    search: Search, loaded: Path, tmp_path: Path
) -> None:
    said = search("quick", "--curl", "--filter", "kind=story").stdout
    (cluster,) = Ledger(loaded).clusters()[0]
    place = next(p for p in cluster.places.values() if p.node.service == "elasticsearch")
    assert place.password not in said
    program = said[said.index("import os") :]
    settings = {**os.environ, "SEARCH_URL": f"http://lab:{place.password}@{place.client}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True
    )
    assert "'d11'" in done.stdout, done.stderr
    shell = said[said.index("curl ") : said.index("# the same in Python")]
    done = subprocess.run(["sh", "-c", shell], env=settings, capture_output=True, text=True)
    assert {hit["_id"] for hit in json.loads(done.stdout)["hits"]["hits"]} == {"d11", "d12"}


# --- REST by hand, analysis, the prompt ----------------------------------------------------------


def test_rest_by_hand(search: Search) -> None:
    assert _INDEX in search("rest", "GET", "_cat/indices").stdout
    assert "health" in search("rest", "GET", "_cat/indices").stdout
    found = json.loads(search("rest", "get", f"{_INDEX}/_doc/d5").stdout)
    assert found["_source"]["name"] == "socket"
    body = '{"query": {"term": {"kind": "story"}}}'
    found = json.loads(search("rest", "POST", f"{_INDEX}/_count", "--body", body).stdout)
    assert found["count"] == 2
    lines = f'{{"index": "{_INDEX}"}}\n{{"size": 0}}'
    found = json.loads(search("rest", "POST", "_msearch", "-b", "-", input=lines).stdout)
    assert found["responses"][0]["hits"]["total"]["value"] == 12
    assert search("rest", "HEAD", _INDEX).stdout == "200 it is there\n"


def test_what_rest_is_refused(search: Search) -> None:
    done = search("rest", "GET", "c_none/_search", code=1)
    assert json.loads(done.stdout)["status"] == 404
    assert "the server answered 404: no such index [c_none]" in done.stderr
    assert "no such document" in search("rest", "GET", f"{_INDEX}/_doc/none", code=1).stderr
    done = search("rest", "POST", f"{_INDEX}/_search", "-b", '{"quer": {}}', code=1)
    assert '  {"quer": {}}\n           ^\n' in done.stderr
    assert search("rest", "HEAD", "c_none", code=1).stdout == "404 it is not there\n"
    assert "did you mean 'PUT'" in search("rest", "PUTT", "x", code=2).stderr
    assert "not JSON" in search("rest", "PUT", f"{_INDEX}/_doc/1", "-b", "{]", code=2).stderr
    assert "%20" in search("rest", "GET", "a b", code=2).stderr


def test_tokens_of_a_text(search: Search) -> None:
    lines = [
        line.split()
        for line in search("analyze", "The Foxes", "-a", "standard").stdout.splitlines()
    ]
    assert ["0", "the", "0-3", "<ALPHANUM>"] in lines
    found = json.loads(search("analyze", "The Foxes run", "--field", "doc", "--json").stdout)
    assert (found["schema"], found["version"]) == ("scalelab.search-analyze", 1)
    assert set(found) == {"schema", "version", "analyzer", "field", "text", "tokens"}
    assert [token["token"] for token in found["tokens"]] == ["fox", "run"]
    assert found["tokens"][0]["position"] == 1
    assert "keyword" in search("analyze", "x", "-a", "nope", code=2).stderr
    assert "did you mean 'doc'?" in search("analyze", "x", "--field", "dco", code=2).stderr


def test_the_prompt_reads_stdin(search: Search) -> None:
    asked = [
        "jumps",
        "file lines --size 1 --sort date",
        ':dsl {"query":',
        '  {"match": {"doc": "networking"}}}',
        "GET _cat/count",
        f":index {_INDEX}",
        '"lazy dog" sleeps',
        ":help",
    ]
    said = search("repl", input="\n".join(asked)).stdout
    for part in ("quick brown fox  d11", "1-1 of 3 hits", "socket  d5", "epoch", "lazy dog  d12"):
        assert part in said
    assert "Ctrl-D" in said
    done = search("repl", input=":nope\njumps\n:quit\nnever\n", code=1)
    assert "there is no :nope" in done.stderr
    assert "d11" in done.stdout  # an error ends nothing


def test_the_prompt_in_a_terminal(loaded: Path, tmp_path: Path) -> None:
    settings = environment(loaded, TERM="xterm", SCALELAB_INDEX=_INDEX)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "scalelab", "search", "repl"],
        env=settings,
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact(f"{_INDEX}> ")
    child.sendline("jumps")
    child.expect_exact("d11")
    child.expect_exact(f"{_INDEX}> ")
    child.sendline(':dsl {"query":')
    child.expect_exact("...> ")
    child.sendintr()
    child.expect_exact(f"{_INDEX}> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    history = loaded / "search_history"
    assert "jumps" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    history.unlink()


# --- wrong input ---------------------------------------------------------------------------------

_WRONG = [
    ([""], "the query is empty"),
    (["  "], "the query is empty"),
    (["--json"], "the query is empty"),
    (['"-"'], "has no word to look for"),
    (["x", "--phrase", "--fuzzy"], "--phrase and --fuzzy exclude each other"),
    (["x", "--field", "nam"], "did you mean 'name'?"),
    (["x", "--field", "name^x"], "NAME^BOOST"),
    (["x", "--filter", "kind"], "FIELD=VALUE"),
    (["x", "--filter", "knd=x"], "did you mean 'kind'?"),
    (["x", "--filter", "doc=x"], "doc of c_shop is text"),
    (["x", "--sort", "date:up"], "FIELD:desc"),
    (["x", "--sort", "dat"], "did you mean 'date'?"),
    (["x", "--facet", "doc"], "fields with whole values: date, kind"),
    (["x", "--since", "soon"], "--since 2024-05-31"),
    (["x", "--since", "2024", "--until", "2023"], "--since is after --until"),
    (["x", "--size", "0"], "--size"),
    (["x", "--size", "10001"], "--size"),
    (["x", "--page", "0"], "--page"),
    (["x", "--engine", "postgras"], "did you mean 'postgres'?"),
    (["x", "--index", "c_shpo"], "did you mean 'c_shop'?"),
    (["x", "--index", "_all"], "cannot be an index's name"),
    (["x", "--name", "nobody"], "there is no cluster 'nobody'"),
    (["x", "--curl", "--engine", "both"], "--curl is of Elasticsearch"),
    (["x", "--curl", "--page", "2000"], "many requests"),
    (["x", "--dsl", "{}"], "--dsl says all itself"),
    (["--dsl", "{}", "--engine", "both"], "Elasticsearch's language"),
    (["--dsl", "none.json"], "there is no file 'none.json'"),
    (["--dsl", "."], "cannot be read"),
    (["--dsl", "-"], "the request on stdin is empty"),
    (["--dsl", "[]"], "a JSON array, not an object"),
    (["--dsl", '{"query": }'], '  {"query": }\n            ^\n'),
    (["--dsl", '{"a": 1,}'], "leave out the comma"),
    (["--dsl", '{"query": {"matchh": {}}}'], '  {"query": {"matchh": {}}}\n'),
    (["--dsl", '{"query": {"matchh": {}}}'], "did you mean any of [match, match_all]?"),
    (["--dsl", '{"sort": ["nofield"]}'], "No mapping found for [nofield]"),
    (["analyze", ""], "no text to analyze"),
    (["analyze", "x", "-a", "english", "--field", "doc"], "exclude each other"),
    (["rest", "GET"], "path"),
    (["--nonsense", "x"], "--nonsense"),
]


@pytest.mark.parametrize(("arguments", "said"), _WRONG, ids=str)
def test_wrong_input_is_said_in_two_lines(search: Search, arguments: list[str], said: str) -> None:
    done = search(*arguments, code=2)
    assert said in done.stderr
    assert done.stderr.splitlines()[-1].startswith("do: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_letters_that_are_none(search: Search) -> None:
    broken = os.fsdecode(b"gr\xf6\xdfe")
    assert "not UTF-8" in search(broken, code=2).stderr
    assert "not UTF-8" in search("--dsl", f'{{"query": "{broken}"}}', code=2).stderr


def test_a_file_that_is_not_utf8(search: Search, tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('{"größe": 1}'.encode("latin-1"))
    assert "latin.json is not UTF-8 in line 1" in search("--dsl", "latin.json", code=2).stderr


def test_without_a_cluster(run: Run) -> None:
    for arguments in (["x"], ["rest", "GET", "/"], ["analyze", "x"], ["repl"], ["--dsl", "{}"]):
        assert "no cluster is up" in run("search", *arguments, code=2).stderr


# --- how it looks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["file", "--facet", "kind"],
        ["fox", "-e", "both", "--explain", "--profile"],
        ["--dsl", json.dumps(_AGGREGATED)],
        ["analyze", "a quick brown fox"],
        *([*command, "--help"] for command in ([], ["rest"], ["analyze"], ["repl"])),
    ],
    ids=str,
)
def test_narrow_terminals(search: Search, arguments: list[str]) -> None:
    done = search(*arguments, COLUMNS="60")
    assert all(len(line) <= 60 for line in done.stdout.splitlines())
    assert done.stderr == ""


def test_matches_stand_out_in_colour(loaded: Path, tmp_path: Path) -> None:
    settings = environment(loaded, TERM="xterm-256color", SCALELAB_INDEX=_INDEX)
    for coloured in (True, False):
        if coloured:
            del settings["NO_COLOR"]
        else:
            settings["NO_COLOR"] = "1"
        said = pexpect.run(
            f"{sys.executable} -m scalelab search jumps",
            env=settings,
            cwd=str(tmp_path),
            encoding="utf-8",
        )
        assert ("\x1b[1;33mjumps\x1b[0m" in said) is coloured
        assert "jumps" in said
        assert "<em>" not in said


def test_the_help_tells_all_of_a_query(run: Run) -> None:
    said = run("search", "--help").stdout
    for word in ("query", "analyze", "rest", "repl", "--phrase", "--dsl", "--engine", "--curl"):
        assert word in said


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("scalelab search re", "repl rest"),
        ("scalelab search --ph", "--phrase"),
        ("scalelab search x --fa", "--facet"),
        ("scalelab search --engine p", "postgres"),
        ("scalelab search rest P", "POST PUT"),
        (f"scalelab search x --index {_INDEX[:4]}", _INDEX),
        (f"scalelab search x --index {_INDEX} --facet ki", "kind"),
        ("scalelab search x --name nobody --index ", ""),
    ],
)
def test_the_shell_completes(loaded: Path, line: str, offered: str) -> None:
    words = line.split(" ")
    completing = {
        "_SCALELAB_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("scalelab")],
        env=environment(loaded, **completing),
        capture_output=True,
        text=True,
    )
    assert sorted(done.stdout.split()) == offered.split()
    assert done.stderr == ""


def test_defaults_from_a_file(search: Search, tmp_path: Path) -> None:
    (tmp_path / "scalelab.toml").write_text("[search.query]\nsize = 2\n")
    assert "1-2 of 5 hits" in search("file").stdout
    (tmp_path / "scalelab.toml").write_text("[search.query]\nsise = 2\n")
    assert "did you mean 'size'?" in search("file", code=2).stderr
