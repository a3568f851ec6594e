"""JSON objects of any kind, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scalelab.corpora import _json_lines
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject, digest

_IDS = ("_id", "id", "uuid", "guid", "key", "slug")
"""Fields that name a record, the surest first."""


class JsonLines:
    """Fields as they come. Its id is the record's own, else a digest of its content."""

    summary = "JSON objects of any kind, one a line"
    needs_source = True
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson", ".jsonlines")
    meta: Meta | None = None
    mapping: Properties | None = None

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        for number, record in _json_lines.objects(source, reject, note):
            if not record:
                reject(f"line {number}", "an object without fields")
                continue
            yield identified(record)


def identified(record: dict[str, Any]) -> Document:
    """A document of this record; ``_id`` is no field of it, as no server takes one."""
    key = own_id(record) or digest(record)
    record.pop("_id", None)
    return Document(key, record)


def own_id(record: Mapping[str, Any]) -> str | None:
    """What the record calls itself: a text or a whole number; None where it does not."""
    for name in _IDS:
        value = record.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        if text := str(value).strip():
            return text
    return None


CORPUS: Corpus = JsonLines()
