"""In a terminal: narrow ones read well, colours can be off, Ctrl-C ends what it should."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from rich.cells import cell_len

from tests.conftest import Run, environment, first_local, leftovers

_COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38|48)[;m\d]*")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

_PATIENCE_S = 300
"""How long is waited for what must come: long, for a busy machine is no failure."""

Terminal = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def terminal(state: Path, tmp_path: Path) -> Iterator[Terminal]:
    """Start `scalelab` in a terminal; whatever still runs at the end is killed."""
    opened: list[pexpect.spawn[str]] = []

    def start(*arguments: str, columns: int = 80, colour: bool = False, **more: str):  # type: ignore[no-untyped-def]
        settings = environment(state, TERM="xterm-256color", PSQL_HISTORY="/dev/null", **more)
        del settings["COLUMNS"]
        settings.pop("PAGER", None)
        if colour:
            del settings["NO_COLOR"]
        child = pexpect.spawn(
            sys.executable,
            ["-m", "scalelab", *arguments],
            env=settings,
            cwd=str(tmp_path),
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=_PATIENCE_S,
        )
        opened.append(child)
        return child

    yield start
    for child in opened:
        child.close(force=True)


def _all(child: pexpect.spawn[str], code: int = 0) -> str:
    """Everything it printed, once it has ended."""
    child.expect(pexpect.EOF)
    text = str(child.before)
    child.close()
    assert child.exitstatus == code, text
    return text


def _until(condition: Callable[[], bool], child: pexpect.spawn[str]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert child.isalive(), child.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lines(text: str) -> list[str]:
    # What a progress line draws and takes back is no line that stays.
    return [line.split("\r")[-1] for line in _ESCAPE.sub("", text).split("\r\n")]


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.clusters
def test_tables_fit_the_terminal(run: Run, terminal: Terminal) -> None:
    run("up", "replication", "-r", "local", "-p", "replicas=1")
    for columns in (80, 60):
        for command in (["status"], ["doctor"], ["bench", "--help"], ["up", "--help"]):
            text = _all(terminal(*command, columns=columns))
            assert "…" not in text
            assert max(cell_len(line) for line in _lines(text)) <= columns, text
        status = _all(terminal("status", columns=columns))
        assert re.search(r"primary .*127\.0\.0\.1:\d+ .*running", status)
        assert re.search(r"replica1 .*127\.0\.0\.1:\d+ .*running.* ms", status)
        again = _all(terminal("up", "replication", "-p", "replicas=1", columns=columns))
        # An address is never cut to be copied. How far behind it is just then is chance.
        assert re.search(r"streaming, \d+ bytes behind", again)
    run("down")


@pytest.mark.clusters
@pytest.mark.parametrize(
    ("columns", "variants"),
    [
        (80, "cache-aside"),
        (60, "database,cache-aside"),
    ],
)
def test_a_run_fits_the_terminal(
    terminal: Terminal, columns: int, variants: str, state: Path
) -> None:
    arguments = ["caching", "--quick", "-r", "local", "--duration", "0.3", "--variants", variants]
    text = _all(terminal("bench", *arguments, columns=columns))
    assert "…" not in text.split("reads/s")[-1]
    # What stays on the screen comes after the progress bar has gone.
    stays = _lines(text)
    table = next(number for number, line in enumerate(stays) if "caching · local" in line)
    assert max(cell_len(line) for line in stays[table:]) <= columns
    assert leftovers(state) == []


def test_colours_only_where_wanted(run: Run, terminal: Terminal) -> None:
    run("up", "single", "-r", "local")
    assert not _COLOUR.search(_all(terminal("status")))
    assert _COLOUR.search(_all(terminal("status", colour=True)))
    assert not _COLOUR.search(_all(terminal("up", "nothing"), code=2))
    assert _COLOUR.search(_all(terminal("up", "nothing", colour=True), code=2))
    assert "\x1b" not in run("status").stdout  # no terminal, no escape codes at all
    run("down")


# --- Ctrl-C --------------------------------------------------------------------------------------


def test_interrupted_up(terminal: Terminal, state: Path) -> None:
    child = terminal("up", "replication", "-r", "local")
    _until((state / "clusters" / "replication.json").exists, child)
    child.sendintr()
    assert "interrupted" in _all(child, code=130)
    assert leftovers(state) == []


@pytest.mark.clusters
def test_interrupted_bench(terminal: Terminal, state: Path) -> None:
    child = terminal("bench", "caching", "-r", "local", "--variants", "database")
    child.expect("round 1/5")
    child.sendintr()
    text = _all(child, code=130)
    assert "interrupted" in text
    assert "Traceback" not in text
    assert leftovers(state) == []


def test_a_second_ctrl_c_kills_at_once(terminal: Terminal, run: Run, state: Path) -> None:
    child = terminal("up", "replication", "-r", "local")
    _until((state / "clusters" / "replication.json").exists, child)
    while child.isalive():  # the first two that it hears
        child.sendintr()
        time.sleep(0.001)
    child.close()
    assert child.exitstatus == 130
    run("down", "--all")
    assert leftovers(state) == []


def test_following_a_log_ends_with_ctrl_c(run: Run, terminal: Terminal) -> None:
    run("up", "single", "-r", "local")
    child = terminal("logs", "-f")
    child.expect("ready to accept connections")
    run("shell", "primary", "--", "-c", "do $$ begin raise log 'heard at once'; end $$")
    child.expect("heard at once")
    child.sendintr()
    assert "error" not in _all(child, code=130)
    run("down")


@first_local("clusters")
def test_psql_keeps_its_ctrl_c(run: Run, terminal: Terminal, runtime: str) -> None:
    run("up", "single", "-r", runtime)
    child = terminal("shell")
    child.expect("lab=>|lab=#")
    child.send("select 'it is ' || 'on', pg_sleep(60);\r")
    probe = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    _until(lambda: run("shell", "primary", "--", "-Atc", probe).stdout == "1\n", child)
    child.sendintr()
    child.expect("canceling statement due to user request")
    child.send("select 'still ' || 'here';\r")
    child.expect("still here")
    child.sendintr()  # at the prompt as well
    child.send("select 'and ' || 'here';\r")
    child.expect("and here")
    child.send("\\q\r")
    _all(child)
    run("down")


@pytest.mark.clusters
def test_the_cache_client_in_a_terminal(run: Run, terminal: Terminal) -> None:
    run("up", "caching", "-r", "local")
    child = terminal("shell", "cache")
    child.expect("> ")
    child.send("set a 'one two'\r")
    child.expect("OK")
    child.send("nonsense\r")
    child.expect("unknown command")
    child.send("quit\r")
    _all(child)
    run("down")


_LAST_WORDS = """
import signal, sys
from scalelab.cli import app

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        print("swallowed", flush=True)

app._second_interrupt_kills()
try:
    del_me = Dying()
    del del_me
    while True:
        signal.pause()
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_an_interrupt_in_a_finalizer_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LAST_WORDS], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "swallowed\n", "")
