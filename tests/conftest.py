"""What every test may use: a state folder of its own, the command line, a look for leftovers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from scalelab.ledger import Ledger
from scalelab.model import Place
from scalelab.runtimes import processes
from tests.parts import PARTS

SERVERS = {
    "postgres",
    "initdb",
    "pg_basebackup",
    "etcd",
    "valkey-server",
    "redis-server",
    "java",
}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("scalelab", deadline=None, derandomize=True)
settings.load_profile("scalelab")


def pytest_configure(config: pytest.Config) -> None:
    for name, part in PARTS.items():
        config.addinivalue_line("markers", f"{name}: {part.about}")


@pytest.hookimpl(tryfirst=True)  # before pytest looks at `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its part; one in two parts is an error."""
    for item in items:
        named = {mark.name for mark in item.iter_markers()} & set(PARTS)
        if len(named) > 1:
            several = ", ".join(sorted(named))
            raise pytest.UsageError(f"{item.nodeid} is in several parts: {several}")
        if not named:
            item.add_marker("core")


def required(what: str) -> bool:
    """Whether a test that needs ``what`` must fail, not skip, where it is missing."""
    return what in os.environ.get("SCALELAB_REQUIRE", "").split(",")


def skip_or_fail(what: str, reason: str) -> None:
    """Skip the test on a user's machine; fail it where ``SCALELAB_REQUIRE`` names ``what``."""
    if required(what):
        pytest.fail(f"SCALELAB_REQUIRE names {what}, but {reason}")
    pytest.skip(reason)


def leftovers(folder: Path, patience_s: float = 10.0) -> list[str]:
    """What of this state folder still exists: processes, groups, folders, mounts, containers.

    A helper of Python's own (multiprocessing's resource tracker) ends a moment after the tool, by
    itself: only what is there to stay is left over.
    """
    end = time.monotonic() + patience_s
    while (found := _existing(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _existing(folder: Path) -> list[str]:
    working = processes.working_in(folder, SERVERS)
    knowing = [process for process in psutil.process_iter() if _knows(process, folder)]
    found = [f"process {process.pid}" for process in {*working, *knowing}]
    state_id = Ledger(folder).state_id
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/scalelab-{state_id}")]
    found += [str(path) for path in [*folder.glob("nodes"), *folder.glob("links")]]
    found += [str(path) for path in folder.glob("clusters/*")]
    mounts = (disk.mountpoint for disk in psutil.disk_partitions(all=True))
    found += [f"mount {path}" for path in mounts if path.startswith(f"{folder.resolve()}/")]
    return found + _docker_leftovers(state_id)


def _knows(process: psutil.Process, folder: Path) -> bool:
    try:
        # Load workers of a killed `bench` stand elsewhere, but know the state folder.
        environment = process.environ()
        mine = environment.get("SCALELAB_STATE") == str(folder)
        return mine and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _docker_leftovers(state_id: str) -> list[str]:
    if not docker_answers():
        return []
    from scalelab.runtimes.daemon import connect

    label = {"label": f"scalelab.state={state_id}"}
    # Not by the command line: most tests look for leftovers several times.
    with contextlib.closing(connect()) as daemon:
        found = [
            *daemon.api.containers(all=True, filters=label),
            *daemon.api.networks(filters=label),
            *(daemon.api.volumes(filters=label)["Volumes"] or ()),
        ]
    return [f"docker {each.get('Id') or each['Name']}" for each in found]


@functools.cache
def docker_answers() -> bool:
    """Whether a Docker daemon answers to the ``docker`` command."""
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder (with a space in its path) that must be clean again after the test."""
    folder = tmp_path / "state folder"
    yield folder
    if not (before := leftovers(folder, patience_s=0)):
        return
    command = [sys.executable, "-m", "scalelab", "down", "--all"]
    done = subprocess.run(
        command, env=environment(folder), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert leftovers(folder) == [], f"`down --all` left this behind; before it: {before}"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a user with this state folder, no terminal and no settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCALELAB_", "PG"))}
    return {**kept, "SCALELAB_STATE": str(folder), "COLUMNS": "100", "NO_COLOR": "1", **more}


@pytest.fixture
def run(state: Path, tmp_path: Path) -> Run:
    """Run `scalelab` as a user types it, in a folder that is not the project's."""

    def run(*arguments: str, code: int | None = 0, input: str = "", **more: str):  # type: ignore[no-untyped-def]
        done = subprocess.run(
            [sys.executable, "-m", "scalelab", *arguments],
            env=environment(state, **more),
            cwd=tmp_path,
            input=input,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if code is not None:
            assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def read_json(run: Run) -> Callable[..., dict[str, object]]:
    """Run `scalelab` and parse the one document it prints."""
    return lambda *arguments: json.loads(run(*arguments).stdout)


@pytest.fixture(scope="session")
def docker_ready() -> None:
    """A Docker daemon with images to use, or the test is skipped (failed where required)."""
    if not docker_answers():
        skip_or_fail("docker", "no Docker daemon answers")
    images_are_here(
        ("postgres:18", "scalelab/postgres:18"), ("valkey/valkey:9", "scalelab/valkey:9")
    )


def images_are_here(*pairs: tuple[str, str]) -> None:
    """One of each pair, official and offline, or the test is skipped (failed where required)."""
    done = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    have = set(done.stdout.split())
    for official, offline in pairs:
        if official not in have and offline not in have:
            skip_or_fail("docker", f"neither {official} nor {offline} is here: images build")


def first_local(part: str) -> pytest.MarkDecorator:
    """The fixture ``runtime`` for a test of every day that is in another part for Docker."""
    marks = [pytest.mark.docker, getattr(pytest.mark, part)]
    runtimes = ["local", pytest.param("docker", marks=marks)]
    return pytest.mark.parametrize("runtime", runtimes, indirect=True)


@pytest.fixture(scope="session")
def java_ready() -> None:
    """A Java that Elasticsearch runs on, or the test is skipped (failed where required)."""
    from scalelab.errors import EnvironmentLacks
    from scalelab.services import _elasticsearch_home

    try:
        _elasticsearch_home.fetch(lambda what, done, total: None)
    except EnvironmentLacks as lack:
        skip_or_fail("java", lack.message)


@pytest.fixture(scope="session")
def search_state(java_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder in which a topology ``search`` is up, local, which many tests share.

    A test that uses it names indices and tables of its own.
    """
    folder = tmp_path_factory.mktemp("shared") / "state folder"
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: tool(folder, "down", "--all"))
        tool(folder, "up", "search", "-r", "local")
        yield folder
    assert leftovers(folder) == []


@pytest.fixture(scope="session")
def search_places(search_state: Path) -> dict[str, Place]:
    """The places of that topology."""
    (cluster,) = Ledger(search_state).clusters()[0]
    return dict(cluster.places)


def tool(
    folder: Path,
    *arguments: str,
    code: int = 0,
    cwd: Path | None = None,
    input: str = "",
    timeout_s: float = 600,
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Run `scalelab` on a state folder; it must end with this code."""
    done = subprocess.run(
        [sys.executable, "-m", "scalelab", *arguments],
        env=environment(folder, **more),
        cwd=cwd,
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime in turn."""
    if request.param == "docker":
        request.getfixturevalue("docker_ready")
    return str(request.param)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def search_runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime in turn, with what Elasticsearch needs there."""
    if request.param == "local":
        request.getfixturevalue("java_ready")
    else:
        from scalelab.services.elasticsearch import SERVICE

        request.getfixturevalue("docker_ready")
        images_are_here((SERVICE.image.default, SERVICE.image.offline))
    return str(request.param)
