"""Whatever is in a file, a reader reads it, rejects some of it, or says it is of another kind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelab.catalog import Folder
from scalelab.corpora._corpus import Corpus, digest
from scalelab.errors import UsageError
from tests.unit.corpora.reading import read

_KINDS: Folder[Corpus] = Folder("corpora", "corpus", "CORPUS")
_PIECES = [b"From x\n", b"\n\n", b'{"text":', b'"a"}', b'"', b"a,b;c\n", b"Date: ", b"=?utf-8?b?"]
_PIECES += [b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"=?x?q?\xff?=", b"\0", b"\r"]
_PIECES += [b"Content-Transfer-Encoding: base64\n", b"charset=utf-7\n", b"<b>", b"CHAPTER I\n\n"]


@pytest.mark.parametrize("kind", [name for name in _KINDS if _KINDS[name].needs_source])
@settings(max_examples=60)
@given(pieces=st.lists(st.sampled_from(_PIECES) | st.binary(max_size=20), min_size=1, max_size=30))
def test_any_bytes(kind: str, pieces: list[bytes]) -> None:
    content = (b"From x\n" if kind == "mbox" else b"") + b"".join(pieces)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            found = read(_KINDS[kind], Path(file.name))
        except UsageError:
            return
    for fields in found.documents.values():
        assert fields
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()


def test_a_digest_is_of_the_content_alone() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1})


@pytest.mark.parametrize("kind", list(_KINDS))
def test_each_kind_says_what_it_is(kind: str) -> None:
    corpus = _KINDS[kind]
    assert corpus.summary
    assert (corpus.meta is None) == (corpus.mapping is None)
    if corpus.meta and corpus.mapping:
        searched = [name.partition("^")[0] for name in corpus.meta.fields]
        named = [*searched, *corpus.meta.facets, corpus.meta.title, corpus.meta.date]
        assert {name for name in named if name} <= set(corpus.mapping)
