"""What a run is doing, live on stderr: a bar, the variant, the round, operations per second.

``bench`` calls it; a thread of Rich's draws it four times a second and reads the slice's live
counter, so that the measured process pays next to nothing for being watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from scalelab.model import Load
from scalelab.report import words


class RunProgress:
    """A context manager that ``bench.run`` reports to; says nothing when stderr is no terminal.

    Parameters
    ----------
    variants : how many run, to know how many slices there will be.
    quiet : say nothing at all.
    console : where to draw; stderr by default.
    """

    def __init__(
        self, variants: int, *, quiet: bool = False, console: Console | None = None
    ) -> None:
        console = console or Console(stderr=True)
        self._variants = variants
        self._rate = _Rate()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            self._rate,
            console=console,
            transient=True,
            refresh_per_second=4,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def loading(self, variant: str) -> None:
        """The variant's schema and data are being made."""
        self._progress.update(self._task, description=f"loading {variant}")

    def rehearsing(self, variant: str, completed: Callable[[], int]) -> None:
        """A slice that does not count begins."""
        self._rate.follow(completed)
        self._progress.update(self._task, description=f"rehearsing {variant}")

    def slice(
        self, variant: str, round: int, rounds: int, load: Load, completed: Callable[[], int]
    ) -> None:
        """A slice begins; ``completed`` is its live counter."""
        self._rate.follow(completed)
        self._progress.update(
            self._task,
            description=f"round {round + 1}/{rounds}  {variant}",
            total=rounds * self._variants,
        )

    def sliced(self, variant: str, round: int) -> None:
        """The slice has ended."""
        self._rate.follow(None)
        self._progress.advance(self._task)

    def discarded(self, why: str, slices: int) -> None:
        """What was driven counts for nothing; so many slices are done that count."""
        self._rate.follow(None)
        self._progress.update(self._task, completed=slices)
        self._progress.console.print(why, style="dim", markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """Operations per second since the last drawing, smoothed over a few of them."""

    max_refresh = 0.2

    def __init__(self) -> None:
        super().__init__()
        self._completed: Callable[[], int] | None = None
        self._last = (0.0, 0)
        self._smooth: float | None = None

    def follow(self, completed: Callable[[], int] | None) -> None:
        """Watch another slice's counter from now on, or none."""
        self._last, self._smooth = (time.monotonic(), 0), None
        self._completed = completed

    def render(self, task: Task) -> Text:
        if self._completed is None:
            return Text("")
        now, done = time.monotonic(), self._completed()
        then, before = self._last
        if now - then >= 0.1:
            rate = max(0, done - before) / (now - then)
            self._smooth = rate if self._smooth is None else 0.5 * (self._smooth + rate)
            self._last = (now, done)
        return Text("" if self._smooth is None else f"{words.thousands(self._smooth)} ops/s")
