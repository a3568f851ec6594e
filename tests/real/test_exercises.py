"""Every stub fails, every solution passes, every plausible wrong answer fails: on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.cli import config
from scalelab.errors import AnswerFailed, Inconclusive
from scalelab.grading import exercise
from scalelab.grading.exam import Exam
from scalelab.grading.exercise import Exercise
from scalelab.grading.sandbox import Sandbox

EXERCISES = exercise.find(catalog.lab_folders(), ())
_SEED = 20_261
_ATTEMPTS = 3
"""A check that says this machine is too busy has not failed: it is made again."""


def grade(one: Exercise, path: Path, seed: int) -> list[str]:
    """What held before the check ended; AnswerFailed when the answer does not pass."""
    held: list[str] = []
    with (
        Sandbox(path) as learner,
        Exam(one.name, learner, seed, config.clusters(), "local", held.append) as exam,
    ):
        one.checker()(exam)
    return held


@pytest.fixture
def state_here(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, too, keeps its clusters in the test's state folder."""
    monkeypatch.setenv("SCALELAB_STATE", str(state))


every = pytest.mark.parametrize("name", EXERCISES)


@every
def test_the_solution_passes(name: str, state_here: None) -> None:
    one = EXERCISES[name]
    for _ in range(_ATTEMPTS):
        try:
            assert grade(one, one.solution, _SEED)
        except Inconclusive as busy:
            why = busy.message
        else:
            return
    pytest.skip(f"{_ATTEMPTS} checks said: {why}")


# A check that fails in its midst leaves its connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@every
def test_the_stub_and_wrong_answers_fail(name: str, state_here: None) -> None:
    one = EXERCISES[name]
    assert one.wrong, "a checker is proved by a plausible wrong answer"
    for path in (one.stub, *one.wrong):
        with pytest.raises(AnswerFailed) as caught:
            grade(one, path, _SEED)
        assert caught.value.hint, path


@every
def test_the_folder_is_whole(name: str) -> None:
    one = EXERCISES[name]
    assert one.title
    assert len(one.hints) >= 2
    assert one.stub.suffix == one.solution.suffix
    assert f"scalelab exercise check {name}" in one.task
