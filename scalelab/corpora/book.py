"""A book in plain text: its paragraphs, with numbers and chapters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scalelab.corpora import _lines
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject

_START = re.compile(r"\*\*\*\s*START OF (THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
_END = re.compile(r"(\*\*\*\s*)?END OF (THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
_TITLE = re.compile(r"Title:\s*(\S.*)")
_NUMBER = r"([ivxlc]+|\d+|the\s+\w+|\w+)"
_HEADING = re.compile(
    rf"(?i:(chapter|book|part|letter|act|canto|stave|volume)\s+{_NUMBER}\b.{{0,80}})"
    r"|[IVXLC]{1,7}(\.(\s.{0,60})?)?"
    r"|(?i:(prologue|epilogue|preface|introduction)\.?)"
)
_LONGEST_ID = 100

_MAPPING: Properties = {
    "book": {"type": "keyword", "ignore_above": 256},
    "chapter": {"type": "keyword", "ignore_above": 256},
    "chapter_number": {"type": "integer"},
    "paragraph": {"type": "integer"},
    "text": {"type": "text", "analyzer": "english"},
}


class Book:
    """Paragraphs are what empty lines part. A heading is a chapter's beginning, and no paragraph.

    What Project Gutenberg puts before and after a text is passed over. A paragraph's id is the
    file's name with its number.
    """

    summary = "a book in plain text: paragraphs with their numbers and chapters"
    needs_source = True
    suffixes: tuple[str, ...] = (".txt", ".text")
    meta: Meta | None = Meta("chapter", ("text", "chapter"), ("book", "chapter"), None)
    mapping: Properties | None = _MAPPING

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        stem = source.stem[:_LONGEST_ID] if source else ""
        title, chapter, chapters, number = stem, "", 0, 0
        boxed = _boxed(source)
        inside = not boxed
        for block in _blocks(source, reject, note):
            if not inside:
                title = next((m[1] for line in block if (m := _TITLE.match(line))), title)
                inside = any(_START.match(line) for line in block)
                continue
            if boxed and _END.match(block[0]):
                return
            text = " ".join(block)
            if _is_heading(block, text):
                chapter, chapters = text, chapters + 1
                continue
            number += 1
            fields = {
                "book": title,
                "chapter": chapter or title,
                "chapter_number": chapters,
                "paragraph": number,
                "text": text,
            }
            yield Document(f"{stem}-{number:05d}", fields)


def _boxed(source: Path | None) -> bool:
    """Whether there is a line before which nothing is of the book's own."""
    return any(_START.match(line) for _, line in _lines.lines(source, _nothing, lambda text: None))


def _nothing(where: str, why: str) -> None: ...


def _blocks(source: Path | None, reject: Reject, note: Note) -> Iterator[list[str]]:
    block: list[str] = []
    for _, line in _lines.lines(source, reject, note):
        if words := " ".join(line.split()):
            block.append(words)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _is_heading(block: list[str], text: str) -> bool:
    return len(block) <= 2 and bool(_HEADING.fullmatch(text)) and not text.endswith((",", ";"))


CORPUS: Corpus = Book()
