"""The commands that the project's pages show: which they are, and where they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = [*sorted((ROOT / "labs").glob("*/README.md")), ROOT / "docs" / "writing-a-lab.md"]
TASKS = sorted((ROOT / "labs").glob("*/exercises/*/README.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *GUIDES[:-1], *TASKS]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(scalelab\s[^`]+)`")
_FILE = re.compile(r"# (labs/[\w./-]+\.py)\n")


@dataclass(frozen=True)
class Command:
    """A `scalelab` command as a page shows it.

    Parameters
    ----------
    words : what follows `scalelab`.
    remark : the comment behind it.
    """

    page: Path
    line: int
    words: tuple[str, ...]
    remark: str = ""

    def __str__(self) -> str:
        return f"{named(self.page)}:{self.line}: scalelab {shlex.join(self.words)}"


@dataclass(frozen=True)
class File:
    """A file that a page shows: a Python block whose first line names it."""

    name: str
    text: str


Block = list[Command | File]


def named(page: Path) -> str:
    """The page's name within the project."""
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


def blocks(page: Path) -> list[Block]:
    """What the page's fenced blocks have to run or to write, in order; none is empty."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        language, block = match[1], match[2]
        first = text.count("\n", 0, match.start(2)) + 1
        if language == "python" and (file := _FILE.match(block)):
            found.append([File(file[1], block[file.end() :])])
        elif language in ("", "console", "sh", "bash"):
            found.append(list(_shown(page, first, block)))
    return [block for block in found if block]


def inline(page: Path) -> Iterator[Command]:
    """The commands in the page's sentences."""
    # What is in a fenced block is none; its lines still count.
    text = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), page.read_text(encoding="utf-8"))
    for match in _INLINE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Command(page, line, tuple(shlex.split(match[1])[1:]))


def _shown(page: Path, first: int, block: str) -> Iterator[Command]:
    for number, line in enumerate(block.splitlines(), start=first):
        line, _, remark = line.removeprefix("$ ").strip().partition("#")
        if line.startswith("scalelab "):
            yield Command(page, number, tuple(shlex.split(line)[1:]), remark.strip())
