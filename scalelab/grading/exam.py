"""What a checker is given: the learner's code, real servers, chance, and a voice."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType

from scalelab import catalog
from scalelab.cluster import Clusters
from scalelab.errors import AnswerFailed
from scalelab.grading.sandbox import Sandbox
from scalelab.model import Budget, Cluster

_BUDGET = Budget(0.2, 256 * 1024**2)


class Exam:
    """One check of one answer. A context manager: what it brought up goes down with it.

    Parameters
    ----------
    name : of the exercise; its clusters are named after it.
    learner : the answer.
    seed : of everything that is left to chance.
    say : told in one line what was checked and held.
    """

    def __init__(
        self,
        name: str,
        learner: Sandbox,
        seed: int,
        clusters: Clusters,
        runtime: str,
        say: Callable[[str], None],
    ) -> None:
        self.learner = learner
        self.random = random.Random(seed)
        self.clusters = clusters
        self.runtime = runtime
        self._name, self._say = name, say
        self._up: list[str] = []

    def __enter__(self) -> Exam:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.learner.kill()
        for name in reversed(self._up):
            self.clusters.down(name)

    def up(self, topology: str, *, budget: Budget = _BUDGET, **params: int | str) -> Cluster:
        """Bring a cluster up for this check alone."""
        name = f"exercise-{self._name}"[:36] + (f"-{len(self._up) + 1}" if self._up else "")
        if any(cluster.name == name for cluster in self.clusters.all()[0]):
            self.clusters.down(name)  # of a check that was killed
        wanted = catalog.topology(topology, params)
        cluster = self.clusters.up(name, wanted, self.runtime, budget)
        self._up.append(name)
        return cluster

    def require(self, holds: bool, reason: str, hint: str = "") -> None:
        """Fail the answer with this reason unless it holds.

        Raises
        ------
        AnswerFailed : it does not.
        """
        if not holds:
            read = f"read the task again: scalelab exercise start {self._name}"
            raise AnswerFailed(reason, hint or read)

    def whole_number(self, value: object, what: str, low: int, high: int) -> int:
        """The value as a whole number from ``low`` to ``high``.

        Raises
        ------
        AnswerFailed : it is none; ``what`` says whose value it is.
        """
        if type(value) is not int:
            raise AnswerFailed(
                f"{what} is {value!r:.60}, not a whole number", "return an int, nothing else"
            )
        self.require(low <= value <= high, f"{what} is {value}, not from {low} to {high}")
        return value

    def passed(self, text: str) -> None:
        """Say what held."""
        self._say(text)
