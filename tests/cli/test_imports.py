"""Help costs nothing: no heavy library is imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run, environment

# Of the project itself: what defines some dozen dataclasses, and what looks for plugins.
_OWN = {"scalelab.model", "scalelab.catalog"}
_HEAVY = {
    "docker",
    "psycopg",
    "numpy",
    "scipy",
    "redis",
    "hdrh",
    "hiredis",
    "yaml",
    "psutil",
    "jinja2",
    "dask",
    "distributed",
    "elasticsearch",
    "elastic_transport",
    "cryptography",
}
_COMMANDS = [
    *("up", "down", "status", "start", "stop", "promote", "url", "logs", "shell"),
    *("bench", "report"),
    *("doctor", "compose", "images", "images build", "images list"),
    *("exercise", "exercise start", "exercise check", "exercise watch"),
    *("lab", "lab list", "lab show", "lab run", "lab verify", "lab new"),
    *("fault", "fault list", "fault heal", "fault slow", "fault partition"),
    *("search", "search query", "search load", "search mapping", "search eval"),
    *("search analyze", "search rest", "search repl"),
    *("sync", "sync compare", "sync repair", "sync rebuild"),
]
_SPY = """
import json, sys
from scalelab.cli.app import main
try:
    main()
finally:
    loaded = sorted({*sys.modules, *(name.partition(".")[0] for name in sys.modules)})
    print(json.dumps(loaded), file=sys.stderr)
"""


def _loaded(folder: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _SPY, *arguments],
        env=environment(folder / "state"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["bench", "--help"], ["lab", "run", "--help"]], ids=str
)
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert _loaded(tmp_path, *arguments) & _HEAVY == set()


def test_help_looks_for_nothing(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "--help") & _OWN == set()


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    done = run(*command.split(), "-h", COLUMNS="60")
    assert f"scalelab {command}" in done.stdout.replace("python -m ", "")
    assert done.stderr == ""
    assert all(len(line) <= 60 for line in done.stdout.splitlines())


def test_help_lists_every_command(run: Run) -> None:
    said = run("--help").stdout
    assert all(f" {command} " in said for command in _COMMANDS if " " not in command)
