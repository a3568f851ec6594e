"""search: words, or any request, asked of Elasticsearch and PostgreSQL."""

from __future__ import annotations

import difflib
from typing import Any

import typer
from typer.core import TyperGroup

from scalelab.cli import search_eval, search_load, search_query, search_repl, search_rest

_DEFAULT = "query"
_HELP = ("-h", "--help")


def register(app: typer.Typer) -> None:
    """Add this module's command group."""
    app.add_typer(_group(), name="search")


def near_command(word: str) -> str | None:
    """The command of the group that a word searched for may have been meant as."""
    names = [each.name or "" for each in _group().registered_commands if each.name != _DEFAULT]
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.75)
    return near[0] if near else None


def _group() -> typer.Typer:
    group = typer.Typer(
        cls=_Search,
        no_args_is_help=True,
        help='Search documents: scalelab search "open a file". What is no command is a QUERY.',
    )
    group.command(_DEFAULT)(search_query.query)
    group.command("load")(search_load.load)
    group.command("mapping")(search_load.mapping)
    group.command("eval")(search_eval.evaluate)
    group.command("analyze")(search_rest.analyze)
    group.command("rest")(search_rest.rest)
    group.command("repl")(search_repl.repl)
    return group


class _Search(TyperGroup):
    """What begins with no command's name, or with an option, is a query.

    Only the first word is looked at, so that an option's value is never taken for a command.
    """

    default = _DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _HELP:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        query = self.commands[_DEFAULT]
        with query.make_context(_DEFAULT, [], parent=ctx, resilient_parsing=True) as inner:
            query.format_help(inner, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        offered = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            query = self.commands[_DEFAULT]
            with query.make_context(_DEFAULT, [], parent=ctx, resilient_parsing=True) as inner:
                known = {each.value for each in offered}
                more = query.shell_complete(inner, incomplete)
                offered += [each for each in more if each.value not in known]
        return offered
