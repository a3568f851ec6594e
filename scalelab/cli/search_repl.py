"""search repl: a prompt for words, requests in the Query DSL, and the REST API."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scalelab.cli import config, options, output, search_options
from scalelab.errors import ScalelabError, UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster

_HELP = """\
words                     search for them; options may follow: file lines --phrase --size 3
:dsl {"query": ...}       a request in the Query DSL; it may go on over lines, until it is whole
GET /path [{body}]        the REST API; also POST, PUT, DELETE and HEAD
:index NAME               search there from now on
:help, :quit              this; the end (also Ctrl-D)"""

_REST = re.compile(r"(GET|POST|PUT|DELETE|HEAD)\s+(/?\S+)\s*(.*)", re.DOTALL)
_KEPT = 1000


def repl(index: search_options.Index = None, name: options.Name = None) -> None:
    """Ask again and again: words, :dsl {...}, GET /path; Ctrl-D ends it.

    Reads stdin as well, a line a question, and ends then with 1 where one of them failed.
    """
    cluster = config.clusters().find(name).seen()
    session = _Session(cluster, name, index)
    failed = False
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # what is no UTF-8 fails by itself
    with _history():
        for line in _questions(session.prompt):
            try:
                if not session.answer(line):
                    break
            except ScalelabError as error:
                failed = True
                _tell(error)
            except KeyboardInterrupt:
                print()
    if failed and not sys.stdin.isatty():
        raise typer.Exit(1)


class _Session:
    def __init__(self, cluster: Cluster, name: str | None, index: str | None) -> None:
        self._cluster = cluster
        self._name = name
        self._index = index

    def prompt(self) -> str:
        return f"{self._index or self._cluster.name}> "

    def answer(self, line: str) -> bool:
        """Answer one line; whether to go on."""
        command, _, rest = line.partition(" ")
        if command in (":quit", ":q", ":exit"):
            return False
        if command == ":help":
            print(_HELP)
        elif command == ":index":
            self._choose(rest.strip())
        elif command == ":dsl":
            from scalelab.cli import search_dsl

            search_dsl.run(rest.strip(), self._index, self._name, curl=False, json=False)
        elif match := _REST.fullmatch(line):
            from scalelab.cli import search_rest

            search_rest.send(self._cluster, match[1], match[2], match[3].strip() or None)
        elif command.startswith(":"):
            raise UsageError(f"there is no {command}", "see: :help")
        else:
            self._search(line)
        return True

    def _choose(self, index: str) -> None:
        from scalelab.search import asking, finding

        with asking.elasticsearch(self._cluster.places) as client:
            self._index = finding.in_elasticsearch(client, index or None).name

    def _search(self, line: str) -> None:
        from typer.main import get_command

        from scalelab.cli import search_query

        words, dashes, given = line.partition(" --")
        if line.startswith("--"):
            words, dashes, given = "", "--", line[2:]
        try:
            arguments = shlex.split(f"--{given}") if dashes else []
        except ValueError as error:
            raise UsageError(f"the options cannot be read: {error}", "close the quotes") from None
        if self._index:
            arguments += ["--index", self._index]
        if self._name:
            arguments += ["--name", self._name]
        made = typer.Typer()
        made.command()(search_query.query)
        try:
            get_command(made).main([*arguments, "--", words], "search", standalone_mode=False)
        except typer.Exit:
            pass
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            raise UsageError(error.format_message().rstrip("."), "see: :help") from None


def _questions(prompt: Callable[[], str]) -> Iterator[str]:
    """Each question; one with JSON that is not whole yet goes on with the next line."""
    asked = ""
    while True:
        try:
            shown = "" if not sys.stdin.isatty() else "...> " if asked else prompt()
            line = input(shown)
        except EOFError:
            if asked:
                yield asked
            if sys.stdin.isatty():
                print()
            return
        except KeyboardInterrupt:
            print()
            asked = ""
            continue
        asked = f"{asked}\n{line}" if asked else line.strip()
        if asked and not (line.strip() and _open(asked)):
            yield asked
            asked = ""


def _open(asked: str) -> bool:
    """Whether JSON has begun and not ended: an empty line gives up waiting for its end."""
    match = _REST.fullmatch(asked)
    text = match[3] if match else asked.removeprefix(":dsl").strip() if asked[:4] == ":dsl" else ""
    if not text.startswith("{"):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return not text[error.pos :].strip() or "Unterminated" in error.msg
    return False


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Lines typed before come back with the arrow keys."""
    if not sys.stdin.isatty():
        yield
        return
    import readline

    kept: Path = config.state() / "search_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(kept)
    readline.set_history_length(_KEPT)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(kept)
            kept.chmod(0o600)


def _tell(error: ScalelabError) -> None:
    from rich.markup import escape

    sys.stdout.flush()
    for line in error.details:
        output.stderr().print(f"  {line}", style="dim", markup=False)
    output.stderr().print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        output.stderr().print(f"[bold]do:[/] {escape(error.hint)}")
