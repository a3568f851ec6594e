"""A book's paragraphs."""

from __future__ import annotations

from pathlib import Path

from scalelab.corpora import book
from tests.unit.corpora.reading import read, written

_STORY = """\
CHAPTER I. Down the Hole

Alice was beginning
to get tired.

"What is the use?" she
thought.

CHAPTER II.
The Pool

Curiouser.
"""

_BOXED = f"""\
The Project Gutenberg eBook of Alice

Title: Alice's Adventures

*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***

{_STORY}
*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***

Licence.
"""


def test_paragraphs(tmp_path: Path) -> None:
    found = read(book.CORPUS, written(tmp_path, _STORY, "alice.txt"))
    assert list(found.documents) == ["alice-00001", "alice-00002", "alice-00003"]
    assert found.documents["alice-00001"] == {
        "book": "alice",
        "chapter": "CHAPTER I. Down the Hole",
        "chapter_number": 1,
        "paragraph": 1,
        "text": "Alice was beginning to get tired.",
    }
    assert found.documents["alice-00003"]["chapter"] == "CHAPTER II. The Pool"
    assert found.documents["alice-00003"]["chapter_number"] == 2


def test_what_is_around_a_text_is_left_out(tmp_path: Path) -> None:
    found = read(book.CORPUS, written(tmp_path, _BOXED, "alice.txt"))
    assert len(found.documents) == 3
    assert {each["book"] for each in found.documents.values()} == {"Alice's Adventures"}


def test_a_text_without_chapters(tmp_path: Path) -> None:
    found = read(book.CORPUS, written(tmp_path, "I was there.\n\nYou too.", "a.txt"))
    assert [each["text"] for each in found.documents.values()] == ["I was there.", "You too."]
    assert {each["chapter"] for each in found.documents.values()} == {"a"}
