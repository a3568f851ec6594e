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
"""A check that says this machine is too busy has judged nothing: it is made again."""


def grade(one: Exercise, path: Path) -> list[str]:
    """What held before the check ended.

    Raises
    ------
    AnswerFailed : the answer does not pass.
    AssertionError : no check came to a verdict.
    """
    reasons = []
    for _ in range(_ATTEMPTS):
        try:
            return _grade_once(one, path)
        except Inconclusive as busy:
            reasons.append(busy.message)
    raise AssertionError(f"{path}: no verdict in {_ATTEMPTS} checks: {'; '.join(reasons)}")


def _grade_once(one: Exercise, path: Path) -> list[str]:
    held: list[str] = []
    with (
        Sandbox(path) as learner,
        Exam(one.name, learner, _SEED, config.clusters(), "local", held.append) as exam,
    ):
        one.checker()(exam)
    return held


@pytest.fixture
def state_here(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, too, keeps its clusters in the test's state folder."""
    monkeypatch.setenv("SCALELAB_STATE", str(state))


def _graded(name: str, path: Path) -> object:
    return pytest.param(name, path, id=f"{name}-{path.stem}", marks=pytest.mark.exercises)


@pytest.mark.parametrize(
    ("name", "path"), [_graded(name, one.solution) for name, one in EXERCISES.items()]
)
def test_the_solution_passes(name: str, path: Path, state_here: None) -> None:
    assert grade(EXERCISES[name], path)


# A check that fails in its midst leaves its connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("name", "path"),
    [_graded(name, path) for name, one in EXERCISES.items() for path in (one.stub, *one.wrong)],
)
def test_the_stub_and_wrong_answers_fail(name: str, path: Path, state_here: None) -> None:
    with pytest.raises(AnswerFailed) as caught:
        grade(EXERCISES[name], path)
    assert caught.value.hint


_BUSY = """
from pathlib import Path

from scalelab.errors import Inconclusive

def check(exam):
    tries = Path(__file__).with_name("tries")
    tries.write_text(tries.read_text() + "x")
    if len(tries.read_text()) < {verdict}:
        raise Inconclusive(f"too busy, {{len(tries.read_text())}}", "try later")
    exam.passed("it came to a verdict")
"""


@pytest.mark.parametrize(("verdict", "tries"), [(1, 1), (_ATTEMPTS, _ATTEMPTS), (9, _ATTEMPTS)])
def test_a_check_without_a_verdict_is_repeated_and_no_success(
    verdict: int, tries: int, tmp_path: Path, state_here: None
) -> None:
    (tmp_path / "checker.py").write_text(_BUSY.format(verdict=verdict))
    (tmp_path / "tries").write_text("")
    answer = tmp_path / "solution.py"
    answer.write_text("")
    one = Exercise("busy", "scaling", tmp_path)
    if verdict > _ATTEMPTS:
        with pytest.raises(AssertionError, match="too busy, 1; too busy, 2; too busy, 3"):
            grade(one, answer)
    else:
        assert grade(one, answer) == ["it came to a verdict"]
    assert len((tmp_path / "tries").read_text()) == tries


@pytest.mark.parametrize("name", EXERCISES)
def test_the_folder_is_whole(name: str) -> None:
    one = EXERCISES[name]
    assert one.title
    assert one.wrong, "a checker is proved by a plausible wrong answer"
    assert len(one.hints) >= 2
    assert one.stub.suffix == one.solution.suffix
    assert f"scalelab exercise check {name}" in one.task
