"""Whatever a learner's file does, it is one message that helps, and nothing runs on."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from scalelab.errors import AnswerFailed
from scalelab.grading.sandbox import Sandbox


@pytest.fixture
def answer(tmp_path: Path):
    """Write the learner's file and call it in a sandbox that is closed in the end."""
    made: list[Sandbox] = []

    def answer(text: str, **limits: int) -> Sandbox:
        path = tmp_path / "answer file.py"
        path.write_text(textwrap.dedent(text))
        made.append(Sandbox(path, **limits))
        return made[-1]

    yield answer
    for sandbox in made:
        sandbox.kill()


def failure(sandbox: Sandbox, *call: object, **how: float) -> AnswerFailed:
    with pytest.raises(AnswerFailed) as caught:
        sandbox.call(*call, **how)  # type: ignore[arg-type]
    assert caught.value.hint
    return caught.value


def test_plain_data_goes_there_and_back(answer):
    sandbox = answer("def same(*given): return list(given)")
    given = [1, 2.5, "ä", None, True, [1, [2]], {"a": [1]}]
    assert sandbox.call("same", *given) == given
    assert sandbox.functions() == ["same"]


def test_state_stays_until_it_is_killed(answer):
    sandbox = answer("n = 0\ndef count():\n    global n\n    n += 1\n    return n")
    assert [sandbox.call("count") for _ in range(3)] == [1, 2, 3]
    sandbox.kill()
    assert sandbox.call("count") == 1


def test_an_exception_names_its_line_and_what_was_printed(answer):
    sandbox = answer(
        """
        def route(n):
            print("looking at", n)
            return 1 / n
        """
    )
    said = failure(sandbox, "route", 0)
    assert said.message == "answer file.py:4: ZeroDivisionError: division by zero"
    assert "looking at 0" in said.details
    assert sandbox.call("route", 2) == 0.5  # the process goes on


def test_a_syntax_error_names_its_line(answer):
    said = failure(answer("x = 1\ndef f(:\n"), "f").message
    assert said.startswith("answer file.py:2: Syntax")
    assert "line 2" not in said  # once is enough


def test_parameters_that_do_not_fit_are_named(answer):
    said = failure(answer("def f(a): return a"), "f", 1, 2)
    assert said.message == (
        "answer file.py: TypeError: f() takes 1 positional argument but 2 were given"
    )
    assert said.hint == "give f() the parameters that the task gives it"
    assert failure(answer("def f(a):\n    return a + ''"), "f", 1).hint == "mend that line"


def test_an_endless_loop_is_ended_and_named(answer):
    sandbox = answer("def f():\n    while True:\n        pass")
    sandbox.functions()  # its process is up: the half second is the loop's alone
    said = failure(sandbox, "f", timeout_s=0.5).message
    assert "did not answer within 0.5 s" in said
    assert "it was at line 2" in said or "it was at line 3" in said


def test_too_much_memory_is_an_error_of_the_file(answer):
    sandbox = answer("def f():\n    return len(bytearray(10**9))", memory=512 * 1024**2)
    assert "MemoryError" in failure(sandbox, "f").message


def test_an_exit_says_so(answer):
    said = failure(answer("import os\ndef f(): os._exit(3)"), "f").message
    assert said == "answer file.py ended itself with exit code 3"
    assert "SystemExit" in failure(answer("import sys\ndef f(): sys.exit(3)"), "f").message


def test_what_is_missing_is_named(answer, tmp_path):
    assert "has no function g()" in failure(answer("def f(): pass"), "g").message
    assert "has no function x()" in failure(answer("x = 3"), "x").message
    assert "there is no file" in failure(Sandbox(tmp_path / "gone.py"), "f").message


def test_no_plain_data_is_no_answer(answer):
    said = failure(answer("def f(): return {1, 2}"), "f").message
    assert "f() returned something that is no plain data" in said


def test_many_calls_are_under_way_at_once(answer):
    sandbox = answer(
        """
        import threading
        all_here = threading.Barrier(200)
        def f(n):
            all_here.wait(50)
            return n * n
        """
    )
    found = sandbox.call_many("f", [(n,) for n in range(200)], threads=200)
    assert found == [n * n for n in range(200)]


def test_one_that_is_begun_can_be_killed_in_the_middle(answer, tmp_path):
    sandbox = answer(
        """
        import pathlib, time
        def f(path):
            pathlib.Path(path).touch()
            time.sleep(600)
        """
    )
    sandbox.begin("f", str(tmp_path / "begun"))
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    sandbox.kill()
    assert "f" in sandbox.functions()


def test_it_ends_with_the_process_that_asked(tmp_path):
    (tmp_path / "answer.py").write_text("def f():\n    while True: pass")
    asking = """
import sys
from pathlib import Path
from scalelab.grading.sandbox import Sandbox
sandbox = Sandbox(Path(sys.argv[1]))
sandbox.functions()
sandbox.begin("f")
print(sandbox._process.pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", asking, str(tmp_path / "answer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(timeout=30)
