"""A small client for the cache where its own is not installed: a line in, the answer out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from scalelab.errors import ScalelabError
from scalelab.model import Place


def run(place: Place, arguments: Sequence[str]) -> None:
    """Send one command, or each line of standard input until it ends.

    Parameters
    ----------
    arguments : the command; empty reads lines.

    Raises
    ------
    ScalelabError : the node does not answer.
    """
    import redis

    try:
        with redis.Redis(
            host=place.client.host,
            port=place.client.port,
            password=place.password,
            decode_responses=True,
        ) as client:
            for words in [list(arguments)] if arguments else _lines(str(place.client)):
                _answer(client, words)
    except redis.ConnectionError as error:
        raise ScalelabError(
            f"{place.node.name} does not answer: {error}", "scalelab status"
        ) from None


def _lines(prompt: str) -> Iterator[list[str]]:
    if sys.stdin.isatty():
        import readline  # noqa: F401  - gives input() its history and editing
    while True:
        try:
            line = input(f"{prompt}> " if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            return
        try:
            words = shlex.split(line)
        except ValueError as error:
            print(f"(error) {error}")
            continue
        if words and words[0].lower() in ("quit", "exit"):
            return
        if words:
            yield words


def _answer(client: Any, words: list[str]) -> None:
    import redis

    try:
        print(_shown(client.execute_command(*words)))
    except redis.ResponseError as error:
        print(f"(error) {error}")


def _shown(value: Any) -> str:
    if value is None:
        return "(nil)"
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        return "\n".join(f"{i}) {item}" for i, item in enumerate(value, 1)) or "(empty)"
    return str(value)
