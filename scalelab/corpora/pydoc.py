"""The documentation of Python's own library, as it is on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scalelab.corpora import _stdlib
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject

_MAPPING: Properties = {
    "kind": {"type": "keyword"},
    "name": {
        "type": "text",
        "analyzer": "english",
        "fields": {"keyword": {"type": "keyword", "ignore_above": 256}},
    },
    "parts": {"type": "text", "analyzer": "english"},
    "module": {"type": "keyword"},
    "signature": {"type": "text", "analyzer": "simple"},
    "doc": {"type": "text", "analyzer": "english"},
}


class Pydoc:
    """Modules, classes, functions and methods of the standard library that have a documentation.

    The id is the qualified name. ``parts`` are the words of the name, as nobody searches for
    ``pathlib.Path.read_text`` who knows it already.
    """

    summary = "the documentation of this Python's standard library; needs no file"
    needs_source = False
    suffixes: tuple[str, ...] = ()
    meta: Meta | None = Meta("name", ("name^3", "parts^2", "doc"), ("kind", "module"), None)
    mapping: Properties | None = _MAPPING

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        known: set[str] = set()
        for thing in _stdlib.things(reject):
            # What is defined twice (by platform, a setter) is one thing: the first that says more.
            if thing.name in known:
                continue
            known.add(thing.name)
            yield Document(
                thing.name,
                {
                    "kind": thing.kind,
                    "name": thing.name,
                    "parts": _stdlib.parts(thing.name),
                    "module": thing.module,
                    "signature": thing.signature,
                    "doc": thing.doc,
                },
            )


CORPUS: Corpus = Pydoc()
