"""JSON as people write it by hand: what is wrong with it is shown at its place. Pure."""

from __future__ import annotations

import json
from typing import Any

from scalelab.errors import UsageError

_WIDTH = 72
_MARGIN = 12


def parse(text: str, name: str) -> dict[str, Any]:
    """The object that a text is.

    Parameters
    ----------
    name : of the text, for the error.

    Raises
    ------
    UsageError : it is no JSON, with the line and a caret under the place; or no object.
    """
    if not text.strip():
        raise UsageError(f"{name} is empty", 'for example: {"query": {"match_all": {}}}')
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name} is not JSON: {_lower(error.msg)} (line {error.lineno}, column {error.colno})",
            _advice(text, error.pos),
            point(text, error.lineno, error.colno),
        ) from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply", "make it flatter") from None
    if not isinstance(read, dict):
        raise UsageError(
            f"{name} is a JSON {_kind(read)}, not an object",
            'a request begins with {: {"query": {"match_all": {}}}',
        )
    return read


def point(text: str, line: int, column: int) -> tuple[str, ...]:
    """The line of a text, and under it a caret at a column; both from 1. A long line is cut."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return ()
    # A tab is as wide as its terminal likes: the caret would miss.
    shown = lines[line - 1].rstrip("\r").replace("\t", " ")
    at = min(max(column, 1), len(shown) + 1) - 1
    start = max(0, at - (_WIDTH - _MARGIN)) if len(shown) > _WIDTH else 0
    before = "…" if start else ""
    after = "…" if start + _WIDTH < len(shown) else ""
    return (
        f"{before}{shown[start : start + _WIDTH]}{after}",
        " " * (len(before) + at - start) + "^",
    )


def column(text: str, line: int, bytes_column: int) -> int:
    """The column in characters of one that a server counted in UTF-8's bytes; both from 1."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return bytes_column
    before = lines[line - 1].encode()[: bytes_column - 1]
    return len(before.decode(errors="ignore")) + 1


def _advice(text: str, position: int) -> str:
    before = text[:position].rstrip()
    here = text[position : position + 1]
    if not text[position:].strip():
        return "it ends too early: a } or ] is missing"
    if here == "'":
        return 'JSON takes double quotes: "'
    if before.endswith(",") and here in "}]":
        return "leave out the comma before it"
    return "mend it there"


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "array"
    return {str: "string", bool: "true or false", type(None): "null"}.get(type(value), "number")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
