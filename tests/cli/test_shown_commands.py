"""Every command that a page shows is one: parsed as if it were typed, and not run.

Names are looked up where that is cheap: topologies, labs, variants, exercises, nodes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from scalelab import catalog, sizing
from scalelab.cli import app, options, sweep
from scalelab.errors import ScalelabError, UnknownName
from scalelab.grading import exercise
from scalelab.model import LEADER
from tests.cli.pages import PAGES, Block, Command, blocks, inline, named

_NODES = ("node", "nodes", "target")


class _Reader:
    """Reads the commands of one page in their order: what one makes is there for the next."""

    def __init__(self) -> None:
        self._program: Any = typer.main.get_command(app.app)
        self._made: set[str] = set()
        self._nodes: set[str] = set()

    def problem(self, command: Command) -> str:
        """What is wrong with a command; "" where nothing is."""
        try:
            self._read(command)
        except app._ClickError as error:
            return f"{command}: {error.format_message()}"
        except ScalelabError as error:
            return f"{command}: {error.message}; {error.hint}"
        return ""

    def _read(self, command: Command) -> None:
        words, found = list(command.words), self._program
        while hasattr(found, "commands"):
            if not words:
                return  # a group is spoken of
            word = words.pop(0)
            if word in {flag for option in found.params for flag in option.opts}:
                continue  # not parsed: some of them act at once
            if word not in found.commands and hasattr(found, "default"):
                words, word = [word, *words], found.default
            if word not in found.commands:
                raise UnknownName("command", word, found.commands)
            found = found.commands[word]
        given = found.make_context(found.name, words).params
        told = {key: value for key, value in given.items() if value is not None}
        self._look_up(command.words, told)

    def _look_up(self, words: tuple[str, ...], given: dict[str, Any]) -> None:
        if "topology" in given:
            topology = catalog.topology(given["topology"], options.params(given.get("param")))
            if words[0] == "up":
                self._nodes = {LEADER, "client", *(node.name for node in topology.nodes)}
        if words[:2] == ("lab", "new"):
            self._made.add(given["name"])
        if words[0] == "exercise" and "name" in given:
            _one_of("exercise", given["name"], exercise.find(catalog.lab_folders(), ()))
        for lab in [*([given["lab"]] if "lab" in given else []), *given.get("labs", ())]:
            if lab not in self._made:
                _look_up_in(lab, given)
        for name in _names(given):
            for node in name.split("--"):
                _one_of("node", node, self._nodes)


def _look_up_in(name: str, given: dict[str, Any]) -> None:
    variants = {variant.name: variant for variant in catalog.lab(name).variants}
    chosen = [each for each in (given.get("variants") or "").split(",") if each]
    for each in chosen:
        _one_of("variant", each, variants)
    if key := sweep.key_of(given.get("sweep") or ""):
        sized = sizing.keys([variants[each] for each in chosen or variants])
        _one_of("key of --sweep", key, {sweep.CLIENTS, sweep.CPUS, *sized})


def _names(given: dict[str, Any]) -> Iterator[str]:
    for key in _NODES:
        value = given.get(key, ())
        yield from [value] if isinstance(value, str) else value


def _one_of(kind: str, name: str, known: Any) -> None:
    if name not in known:
        raise UnknownName(kind, name, known)


def _problems(page: Path) -> list[str]:
    reader = _Reader()
    fenced = (step for block in blocks(page) for step in block if isinstance(step, Command))
    found = [reader.problem(command) for command in (*fenced, *inline(page))]
    return [each for each in found if each]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SCALELAB_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_are_commands(page: Path) -> None:
    assert _problems(page) == []


def test_pages_show_commands_at_all() -> None:
    shown: list[Block] = [block for page in PAGES for block in blocks(page)]
    assert len([step for block in shown for step in block if isinstance(step, Command)]) > 60
    assert len([command for page in PAGES for command in inline(page)]) > 15


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("scalelab bnech caching", "no command 'bnech'; did you mean 'bench'?"),
        ("scalelab lab rum caching", "did you mean 'run'?"),
        ("scalelab bench caching --quik", "--quik"),
        ("scalelab bench caching --rounds many", "--rounds"),
        ("scalelab bench", "lab"),
        ("scalelab --colour status", "no command '--colour'"),
        ("scalelab bench cachng", "did you mean 'caching'?"),
        ("scalelab lab verify scaling shardng", "did you mean 'sharding'?"),
        ("scalelab bench caching/strms", "caching/str"),
        ("scalelab bench caching --variants databse", "did you mean 'database'?"),
        ("scalelab bench caching --sweep shards=2,3,4,5", "no key of --sweep 'shards'"),
        ("scalelab up replicaton", "did you mean 'replication'?"),
        ("scalelab up sharding -p shard=5", "did you mean 'shards'?"),
        ("scalelab shell replica3", "did you mean 'replica2'?"),
        ("scalelab fault slow replica1--primry --latency 1s", "did you mean 'primary'?"),
        ("scalelab exercise start no-stall", "did you mean 'no-stale'?"),
    ],
)
@pytest.mark.parametrize("shown", ["```\n{}\n```\n", "```\n$ {}   # so\n```\n", "See `{}`.\n"])
def test_a_wrong_command_is_found(tmp_path: Path, line: str, says: str, shown: str) -> None:
    page = tmp_path / "page.md"
    up = "```\nscalelab up replication\n```\n"
    page.write_text(f"# Page\n\n{up}\n{shown.format(line)}")
    (problem,) = _problems(page)
    before, _, _ = page.read_text().partition(line)
    assert problem.startswith(f"page.md:{before.count(chr(10)) + 1}: {line}")
    assert says in problem
