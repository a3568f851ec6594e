"""Progress goes to a terminal, and to nothing else."""

import io

import pytest
from rich.console import Console

from scalelab.model import Load
from scalelab.report.progress import RunProgress

LOAD = Load(clients=1, rate=None, duration_s=1, warmup_s=0, seed=1)


def drive(console, quiet=False):
    with RunProgress(2, quiet=quiet, console=console) as progress:
        progress.loading("single")
        progress.slice("single", 0, 5, LOAD, lambda: 1000)
        progress.sliced("single", 0)
        progress._progress.refresh()
    return console.file.getvalue()


def test_on_a_terminal_it_names_what_runs():
    text = drive(Console(file=io.StringIO(), force_terminal=True, width=80))
    assert "loading single" in text or "round 1/5" in text


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, True), (False, True)])
def test_silent(terminal, quiet):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert drive(console, quiet).strip() == ""
