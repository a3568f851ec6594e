"""Every `scalelab` command that the guides and docs/ show is run, guide by guide, in its order.

Python blocks whose first line names a file (``# labs/NAME/FILE.py``) are written to it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Run, leftovers

_ROOT = Path(__file__).parents[2]
_PAGES = [*sorted((_ROOT / "labs").glob("*/README.md")), _ROOT / "docs" / "writing-a-lab.md"]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (labs/[\w./-]+\.py)\n")
# What measures is cut short: that a command works does not depend on how long.
_SHORT = {"SCALELAB_RUNTIME": "local", "SCALELAB_QUICK": "1", "SCALELAB_ROUNDS": "1"}


def _steps(page: Path) -> list[tuple[str, str]]:
    """What to do, in order: a command line to run, or a file's name and its text."""
    steps: list[tuple[str, str]] = []
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python" and (file := _FILE.match(block)):
            steps.append((file[1], block[file.end() :]))
        elif language in ("", "console", "sh", "bash"):
            lines = (line.removeprefix("$ ").strip() for line in block.splitlines())
            steps += [("", line) for line in lines if line.startswith("scalelab ")]
    return steps


def _codes(words: list[str]) -> set[int]:
    """Short runs leave claims open or worse: any outcome will do, but no failure."""
    judges = words[0] == "bench" or words[:2] in (["lab", "run"], ["lab", "verify"])
    return {0, 1, 3} if judges and "--quick" not in words else {0}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_what_a_page_shows_works(page: Path, run: Run, tmp_path: Path, state: Path) -> None:
    steps = _steps(page)
    assert len(steps) >= 2
    for file, text in steps:
        if file:
            target = tmp_path / file
            assert target.parent.is_dir(), "a file is changed, in a lab that `lab new` made"
            target.write_text(text)
            continue
        words = shlex.split(text.partition("#")[0])[1:]
        # With no more input than the end of it, a shell ends as with Ctrl-D.
        done = run(*words, code=None, **_SHORT)
        assert done.returncode in _codes(words), f"{text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0 or re.search(r"refuted here|not settled", done.stderr), text
        assert done.stdout or words[0] == "shell"
    assert leftovers(state) == []  # a page that starts something also stops it
