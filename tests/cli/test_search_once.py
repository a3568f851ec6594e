"""Each command of `scalelab search`, once, as a user comes by them: on a cluster of its own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run, leftovers

_DOCUMENTS = (
    {"id": "open", "title": "open", "kind": "function", "text": "Open a file and read lines"},
    {"id": "lock", "title": "Lock", "kind": "class", "text": "A lock is released by its owner"},
    {"id": "line", "title": "readline", "kind": "method", "text": "Read one line from the stream"},
)


def test_a_corpus_is_loaded_searched_and_judged(
    run: Run, state: Path, java_ready: None, tmp_path: Path
) -> None:
    lines = [json.dumps(document) for document in _DOCUMENTS]
    (tmp_path / "manual.jsonl").write_text("\n".join(lines))
    (tmp_path / "queries").write_text("q1\topen a file\nq2\tlock released\n")
    (tmp_path / "judged").write_text("q1 0 open 1\nq2 0 lock 1\n")
    run("up", "search", "-r", "local")
    status = json.loads(run("status", "--json").stdout)["clusters"][0]["nodes"]
    assert {node["name"]: node["state"] for node in status} == {
        "primary": "running",
        "search": "running",
    }

    loaded = json.loads(run("search", "load", "manual.jsonl", "--json").stdout)
    assert {name: each["created"] for name, each in loaded["engines"].items()} == {
        "elasticsearch": 3,
        "postgres": 3,
    }
    found = json.loads(run("search", "reading files", "--any", "-e", "both", "--json").stdout)
    for answer in found["answers"]:
        assert {hit["id"] for hit in answer["hits"]} == {"open", "line"}
    shown = run("search", "--dsl", '{"query": {"match": {"text": "owners"}}}').stdout
    assert "lock" in shown
    assert ["text", "text", "english"] in _columns(run("search", "mapping").stdout)
    assert "releas" in run("search", "analyze", "Released", "--analyzer", "english").stdout
    assert "manual" in run("search", "rest", "GET", "_cat/indices").stdout
    assert "line" in run("search", "repl", input="stream\n").stdout
    judged = json.loads(run("search", "eval", "judged", "--queries", "queries", "--json").stdout)
    assert judged["schema"] == "scalelab.search-eval"
    run("down")
    assert leftovers(state) == []


def _columns(text: str) -> list[list[str]]:
    return [line.split()[:3] for line in text.splitlines()]
