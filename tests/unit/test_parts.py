"""Every test is in exactly one part, and every part has its target and its place in the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import PARTS, command, main, read

_ROOT = Path(__file__).parents[2]


_COLLECT = """
import pytest

class Show:
    def pytest_collection_finish(self, session):
        for item in session.items:
            print("collected", *(mark.name for mark in item.iter_markers()))

raise SystemExit(pytest.main(["--collect-only", "-q"], plugins=[Show()]))
"""


def test_every_test_is_in_exactly_one_part() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COLLECT], cwd=_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    marks = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("collected")]
    parts = [set(PARTS) & set(each) for each in marks]
    assert {len(each) for each in parts} == {1}
    assert set().union(*parts) == set(PARTS)  # and none is empty


def test_a_test_in_two_parts_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((_ROOT / "tests" / "conftest.py").read_text())
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.crash
        @pytest.mark.timing
        def test_it(): ...
        """
    )
    done = pytester.runpytest_subprocess("--collect-only")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*test_it is in several parts: crash, timing"])


def test_every_part_has_its_target_and_is_in_the_readme() -> None:
    makefile = (_ROOT / "Makefile").read_text()
    assert re.search(r"^PARTS := (.*)$", makefile, re.MULTILINE)[1].split() == [
        part for part in PARTS if part != "core"
    ]
    assert " ".join(command("core")[1:]) in makefile
    readme = (_ROOT / "README.md").read_text()
    assert all(f"`make test-{part}`" in readme for part in PARTS if part != "core")


def test_what_pytest_reports_is_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def broken(): raise OSError
        def test_passes(): ...
        def test_fails(): assert 0
        def test_has_an_error(broken): ...
        def test_is_skipped(): pytest.skip("no")
        """
    )
    report = pytester.path / "report.xml"
    pytester.runpytest_subprocess(f"--junitxml={report}")
    outcome = read(report)
    assert (outcome.passed, outcome.skipped, outcome.green) == (1, 1, False)
    assert [name.rpartition("::")[2] for name in outcome.failed] == [
        "test_fails",
        "test_has_an_error",
    ]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["timng"])
    assert refused.value.code == 2
    assert "no part timng" in capsys.readouterr().err
