"""JSON objects, one a line, of which some are broken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from scalelab.corpora import _lines
from scalelab.corpora._corpus import Note, Reject

_SUSPICIOUS = re.compile(r"\\u[dD]|\d[eE]\+?\d{3}")
"""What Python may read and no server takes: half a surrogate pair, 1e999."""


def objects(
    path: Path | None, reject: Reject, note: Note, longest: int = _lines.LONGEST
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object with the number of its line; empty lines are passed over.

    Raises
    ------
    UsageError : the file cannot be read.
    """
    for number, line in _lines.lines(path, reject, note, longest):
        if not (line := line.rstrip()):
            continue
        try:
            found = json.loads(line, parse_constant=_refuse)
            if _SUSPICIOUS.search(line):
                json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except json.JSONDecodeError as error:
            reject(f"line {number}", f"no JSON: {error.msg} at column {error.colno}")
        except UnicodeEncodeError:
            reject(f"line {number}", "half of a surrogate pair, which is no text")
        except RecursionError:
            reject(f"line {number}", "nested too deeply")
        except ValueError as error:
            reject(f"line {number}", f"no JSON: {error}")
        else:
            if isinstance(found, dict):
                yield number, found
            else:
                reject(f"line {number}", f"a JSON {_KINDS[type(found)]}, not an object")


_KINDS = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no value")
