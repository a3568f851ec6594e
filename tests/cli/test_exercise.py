"""Exercises as a learner does them: begin, fail, ask for a hint, pass, go on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.grading import exercise
from tests.conftest import Run, environment

_NAME = "shard-function"
_SOLUTION = exercise.find(catalog.lab_folders(), ())[_NAME].solution


def rows(run: Run) -> dict[str, dict[str, object]]:
    found = json.loads(run("exercise", "list", "--json").stdout)
    assert (found["schema"], found["version"]) == ("scalelab.exercises", 1)
    return {row["name"]: row for row in found["exercises"]}


def test_from_the_stub_to_the_solution(run: Run, tmp_path: Path) -> None:
    assert rows(run)[_NAME]["state"] == "not started"
    started = run("exercise", "start", _NAME).stdout
    assert "Write a shard function" in started
    mine = tmp_path / "exercises" / "shard_function.py"
    assert str(mine) in started.replace("\n", "")
    assert rows(run)[_NAME] == {
        "name": _NAME,
        "lab": "sharding",
        "title": "Write a shard function",
        "state": "started",
        "file": str(mine),
        "hints_seen": 0,
    }
    failed = run("exercise", "check", "--runtime", "local", code=1)
    assert "✓ the same key has the same shard" in failed.stdout
    assert "3.00 times the mean" in failed.stderr
    assert f"scalelab exercise hint {_NAME}" in failed.stderr
    assert "is not passed yet" in run("exercise", "solution", code=2).stderr
    assert "hint 1 of 3" in run("exercise", "hint").stdout
    assert "hint 2 of 3" in run("exercise", "hint").stdout
    assert "hint 1 of 3" in run("exercise", "hint", "--level", "1").stdout
    assert rows(run)[_NAME]["hints_seen"] == 2
    mine.write_text(_SOLUTION.read_text())
    passed = run("exercise", "check", _NAME, "--runtime", "local", "--seed", "7").stdout
    assert "passed in" in passed
    assert "seed 7" in passed
    assert rows(run)[_NAME]["state"] == "passed"
    assert "is passed" in run("exercise", "check", _NAME).stdout  # and is not checked again
    mine.write_text("def shard(key, shards):\n    return None\n")  # but a changed file is
    changed = run("exercise", "check", _NAME, "--runtime", "local", code=1).stderr
    assert "not a whole number" in changed
    assert "scalelab exercise solution" in run("exercise", "hint", _NAME, "--level", "3").stderr
    mine.write_text(_SOLUTION.read_text())
    assert run("exercise", "solution", _NAME).stdout == _SOLUTION.read_text()
    assert "no exercise is begun" in run("exercise", "check", code=2).stderr
    run("exercise", "reset", _NAME)
    assert "return 0" in mine.read_text()
    assert any("rendezvous" in f.read_text().lower() for f in mine.parent.glob("shard_function-*"))
    assert rows(run)[_NAME]["state"] == "started"


def test_a_file_that_is_there_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "my work" / "shard_function.py"
    mine.parent.mkdir()
    mine.write_text("# mine\n")
    said = run("exercise", "start", _NAME, "--folder", str(mine.parent)).stderr
    assert "stays as it is" in said.replace("\n", " ")
    assert mine.read_text() == "# mine\n"
    assert "has no function shard()" in run("exercise", "check", "-r", "local", code=1).stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def shard(key, shards):\n    return 'x'\n", "is 'x', not a whole number"),
        ("def shard(key, shards):\n    return shards\n", "is 5, not from 0 to 4"),
        ("def shard(key, shards):\n    return 1 / 0\n", "shard_function.py:2: ZeroDivisionError"),
        ("def shard(key shards):\n", "shard_function.py:1: SyntaxError"),
        ("import sys\nsys.exit(1)\n", "SystemExit"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(run: Run, tmp_path: Path, text: str, said: str) -> None:
    run("exercise", "start", _NAME)
    (tmp_path / "exercises" / "shard_function.py").write_text(text)
    assert said in run("exercise", "check", "-r", "local", code=1).stderr.replace("\n", " ")


def test_a_file_that_is_gone_is_named(run: Run, tmp_path: Path) -> None:
    run("exercise", "start", _NAME)
    (tmp_path / "exercises" / "shard_function.py").unlink()
    assert "there is no file" in run("exercise", "check", "-r", "local", code=1).stderr
    run("exercise", "reset", _NAME)
    assert (tmp_path / "exercises" / "shard_function.py").exists()


def test_wrong_names_and_orders(run: Run) -> None:
    assert (
        "did you mean 'shard-function'" in run("exercise", "start", "shard-fnction", code=2).stderr
    )
    assert f"scalelab exercise start {_NAME}" in run("exercise", "check", _NAME, code=2).stderr
    assert "no exercise is begun" in run("exercise", "hint", code=2).stderr
    first = next(iter(rows(run)))
    assert rows(run)[first]["title"] in run("exercise", "next").stdout.replace("\n", " ")


@pytest.mark.exercises
def test_watch_checks_what_is_saved(run: Run, state: Path, tmp_path: Path) -> None:
    run("exercise", "start", _NAME)
    mine = tmp_path / "exercises" / "shard_function.py"
    watching = subprocess.Popen(
        [sys.executable, "-m", "scalelab", "exercise", "watch", "-r", "local"],
        env=environment(state),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert watching.stderr is not None
        while "not yet" not in (line := watching.stderr.readline()):
            assert line, "it ended"
        mine.write_text(_SOLUTION.read_text())
        out, _ = watching.communicate(timeout=300)
    finally:
        watching.kill()
        watching.communicate()
    assert "passed" in out
    assert watching.returncode == 0
