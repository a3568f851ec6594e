"""Commands killed at drawn steps of their own (`killed.py`), the same ones in every run.

For a long hunt: ``SCALELAB_CRASH_SEED=7 SCALELAB_CRASH_MOMENTS=40``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scalelab.errors import INTERRUPTED
from tests.conftest import environment

_KILLED = Path(__file__).with_name("killed.py")
_SEED = os.environ.get("SCALELAB_CRASH_SEED", "1")
_ENDED = (0, INTERRUPTED)
_MOMENTS = os.environ.get("SCALELAB_CRASH_MOMENTS", "")


def steps(state: Path, *command: str) -> list[str]:
    """The steps of a command, found by running it to its end."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "steps"
        with _begin(state, "--list", str(listed), *command) as tool:
            said = _until_the_end(tool)
        assert tool.returncode in _ENDED, f"{command} {said}"
        return listed.read_text().splitlines()


def killed(state: Path, step: str, *command: str) -> bool:
    """Run a command that is killed just before a step; False if that step never came."""
    with _begin(state, "--step", step, *command) as tool:
        said = _until_the_end(tool)
    assert tool.returncode in (-signal.SIGKILL, *_ENDED), said
    return tool.returncode == -signal.SIGKILL


def drawn(every: Sequence[str], moments: int, *command: str) -> list[str]:
    """So many of the steps, spread over all kinds of them.

    One is drawn out of each stretch of their names, and not of the way from the first to the last:
    where nodes boot side by side, steps change places from run to run.
    """
    named = sorted(every)
    chance = random.Random(f"{_SEED} {command}")
    count = min(int(_MOMENTS or moments), len(named))
    edges = [number * len(named) // count for number in range(count + 1)]
    return [named[chance.randrange(*edge)] for edge in itertools.pairwise(edges)]


@contextlib.contextmanager
def told(step: str, *command: str) -> Iterator[None]:
    """Where something is wrong after a crash, say how to have that crash again."""
    try:
        yield
    except BaseException:
        again = shlex.join(["python", "tests/real/killed.py", "--step", step, *command])
        print(f"killed (seed {_SEED}) just before: {step}\nthe same again: {again}")
        raise


def _begin(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(_KILLED), *arguments],
        env=environment(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until_the_end(tool: subprocess.Popen[str]) -> str:
    """What the tool says; a fault that is on is healed by a Ctrl-C."""
    assert tool.stdout is not None
    said = ""
    for line in tool.stdout:
        said += line
        if " is on (" in line:
            tool.send_signal(signal.SIGINT)
    return said
