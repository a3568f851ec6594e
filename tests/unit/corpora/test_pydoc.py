"""The documentation of this Python's own library."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scalelab.corpora import _stdlib, pydoc
from tests.unit.corpora.reading import Read, read


@pytest.fixture(scope="module")
def found() -> Read:
    return read(pydoc.CORPUS, None)


def test_there_are_thousands_and_all_have_something_to_say(found: Read) -> None:
    assert len(found.documents) > 4000
    assert not found.rejected
    kinds = {each["kind"] for each in found.documents.values()}
    assert kinds == {"module", "class", "function", "method"}
    assert all(each["doc"] for each in found.documents.values())
    assert all(id == each["name"] for id, each in found.documents.items())


@pytest.mark.parametrize(
    ("name", "kind", "signature"),
    [
        ("pathlib.Path.read_text", "method", "read_text(self, encoding=None"),
        ("json.loads", "function", "loads(s, *"),
        ("builtins.open", "function", "open(file, mode='r'"),
        ("builtins.str.split", "method", "split(sep=None, maxsplit=-1)"),
        ("os.listdir", "function", "listdir(path=None)"),
        ("os.path.join", "function", "join(a, *p)"),
        ("asyncio.run", "function", "run(main, *"),
        ("json.JSONDecoder", "class", "JSONDecoder(*, object_hook=None"),
        ("collections.deque", "class", "deque"),
        ("sqlite3.connect", "function", "connect("),
        ("textwrap", "module", ""),
    ],
)
def test_things_have_the_names_people_use(
    found: Read, name: str, kind: str, signature: str
) -> None:
    assert found.documents[name]["kind"] == kind
    assert found.documents[name]["signature"].startswith(signature)


def test_nothing_is_told_twice_or_ought_not_to_be_told(found: Read) -> None:
    assert not {"posixpath.join", "asyncio.runners.run", "os.Mapping", "this"} & set(
        found.documents
    )
    assert not any(part.startswith("_") for id in found.documents for part in id.split("."))


def test_odd_modules_are_not_imported(found: Read) -> None:
    assert not {"this", "antigravity", "idlelib", "turtle", "lib2to3"} & set(sys.modules)


def test_twice_the_same(found: Read) -> None:
    assert list(read(pydoc.CORPUS, None).documents) == list(found.documents)


def test_a_file_of_the_users_does_not_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "textwrap.py").write_text('"""Mine."""\nraise SystemExit')
    monkeypatch.syspath_prepend(tmp_path)
    things = {thing.name: thing for thing in _stdlib.things(lambda where, why: None)}
    assert things["textwrap"].doc != "Mine."


def test_parts() -> None:
    assert _stdlib.parts("http.client.HTTPConnection.getresponse2") == (
        "http client connection getresponse 2"
    )
