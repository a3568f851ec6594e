"""Every `scalelab` command that the guides and docs/writing-a-lab.md show is run.

A fenced block of commands stands alone: what it brings up it also takes down. Where all of it are
runs of a lab, each is a test of its own, so that two go on side by side. On a page that writes
files all of it belongs together. A command whose comment says ``# refused`` is there to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.errors import ScalelabError
from tests.cli.pages import GUIDES, Block, Command, File, blocks, named
from tests.conftest import Run, leftovers

pytestmark = pytest.mark.guides

# What measures is cut short: that a command works depends neither on how long it measures nor on
# how slow its servers are.
_SHORT = {
    "SCALELAB_RUNTIME": "local",
    "SCALELAB_QUICK": "1",
    "SCALELAB_ROUNDS": "1",
    "SCALELAB_CPUS": "1",
}
_DURATION = {"SCALELAB_DURATION": "0.3"}


def _parts(page: Path) -> Iterator[Block]:
    """What of a page can be run without the rest of it."""
    shown = blocks(page)
    if any(isinstance(step, File) for block in shown for step in block):
        yield [step for block in shown for step in block]
        return
    benched: dict[tuple[str, ...], Block] = {}
    for block in shown:
        if all(_benches(step) for step in block):
            for step in block:
                assert isinstance(step, Command)
                # All is quick here: what only adds that is the same run once more.
                benched[tuple(word for word in step.words if word != "--quick")] = [step]
        else:
            yield block
    yield from benched.values()


def _benches(step: Command | File) -> bool:
    return isinstance(step, Command) and step.words[0] == "bench"


def _params() -> Iterator[object]:
    for page in GUIDES:
        for part in _parts(page):
            first = next(step for step in part if isinstance(step, Command))
            yield pytest.param(part, id=f"{named(page)}:{first.line}")


def _struck(words: tuple[str, ...]) -> bool:
    """Whether this runs a lab whose slices must last until its faults have come."""
    if words[0] != "bench":
        return False
    try:
        variants = catalog.lab(words[1]).variants
    except ScalelabError:  # of the page's own making
        return False
    return any(variant.faults for variant in variants)


def _codes(command: Command) -> set[int]:
    if command.remark.startswith("refused"):
        return {1}
    # It is never quick, and a short run leaves claims open or worse: but it must not fail.
    return {0, 1, 3} if command.words[:2] == ("lab", "verify") else {0}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", list(_params()))
def test_what_a_page_shows_works(part: Block, run: Run, tmp_path: Path, state: Path) -> None:
    for step in part:
        if isinstance(step, File):
            target = tmp_path / step.name
            assert target.parent.is_dir(), "a file is changed, in a lab that `lab new` made"
            target.write_text(step.text)
            continue
        settings = _SHORT if _struck(step.words) else _SHORT | _DURATION
        # With no more input than the end of it, a shell ends as with Ctrl-D.
        done = run(*step.words, code=None, **settings)
        codes = _codes(step)
        assert done.returncode in codes, f"{step}\n{done.stdout}\n{done.stderr}"
        if 0 in codes and done.returncode != 0:
            assert re.search(r"refuted here|not settled", done.stderr), step
        assert done.stdout or step.words[0] == "shell"
    assert leftovers(state) == []  # what starts something also stops it


def test_every_guide_has_something_to_run() -> None:
    for page in GUIDES:
        assert sum(len(part) for part in _parts(page)) >= 2, page
