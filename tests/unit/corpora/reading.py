"""Reads a corpus whole, with what it says besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelab.corpora._corpus import Corpus


@dataclass
class Read:
    """Fields by id, in order, and what was rejected and noted."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)

    def one(self) -> dict[str, Any]:
        """The only document."""
        (found,) = self.documents.values()
        return found


def read(corpus: Corpus, path: Path | None) -> Read:
    """One pass."""
    found = Read()
    for each in corpus.read(path, found.rejected.__setitem__, found.noted.append):
        found.documents[each.id] = dict(each.fields)
    return found


def written(tmp_path: Path, content: str | bytes, name: str = "file") -> Path:
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
