"""An exercise's folder: what the learner is given, and what grades it.

``labs/<lab>/exercises/<NN>-<name>/`` holds ``README.md`` (its first line is the title), a stub and
a solution of one kind of file (``stub.py`` and ``solution.py``, or ``.sql``), ``hints.md`` (a level
below each heading) and ``checker.py``, whose ``check(exam)`` grades. Files named ``wrong_*`` are
plausible wrong answers, which the tests prove to fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from scalelab import userfile
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.grading.exam import Exam

_NUMBER = re.compile(r"\d+-")


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Parameters
    ----------
    name : what the learner types, unique over all labs.
    lab : the lab it belongs to.
    """

    name: str
    lab: str
    folder: Path

    @property
    def title(self) -> str:
        """The first line of its README."""
        return self.task.partition("\n")[0].lstrip("# ").strip()

    @property
    def task(self) -> str:
        """What is to be done, in Markdown."""
        return self._read("README.md")

    @property
    def stub(self) -> Path:
        """The file the learner begins with."""
        return self._only("stub.*")

    @property
    def solution(self) -> Path:
        """One that passes."""
        return self._only("solution.*")

    @property
    def wrong(self) -> tuple[Path, ...]:
        """Plausible wrong answers."""
        return tuple(sorted(self.folder.glob("wrong_*")))

    @property
    def hints(self) -> tuple[str, ...]:
        """From the gentlest to the plainest."""
        _, *levels = re.split(r"^## .*\n", self._read("hints.md"), flags=re.MULTILINE)
        return tuple(level.strip() for level in levels)

    def checker(self) -> Callable[[Exam], None]:
        """What grades an answer: it raises AnswerFailed, or returns."""
        found = userfile.read(self.folder / "checker.py", "check")
        return cast("Callable[[Exam], None]", found)

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{self.folder / name} cannot be read: {error.strerror}", "put it back"
            ) from None

    def _only(self, pattern: str) -> Path:
        found = sorted(self.folder.glob(pattern))
        if len(found) != 1:
            raise UsageError(f"{self.folder} has {len(found)} files {pattern}", "it takes one")
        return found[0]


def find(labs: Mapping[str, Path], order: Iterable[str]) -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the course.

    Parameters
    ----------
    labs : the labs' folders by name.
    order : of the labs; those it does not name come last.
    """
    listed = [name for name in order if name in labs]
    found: dict[str, Exercise] = {}
    for lab in [*listed, *(name for name in labs if name not in listed)]:
        for file in sorted(labs[lab].glob("exercises/*/checker.py")):
            name = _NUMBER.sub("", file.parent.name, count=1)
            found.setdefault(name, Exercise(name, lab, file.parent))
    return found
