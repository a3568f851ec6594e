"""A Python file that declares one object: a lab, or a workload of the user's own."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path

from scalelab.errors import UsageError


def read(path: Path, constant: str) -> object:
    """Run the file and return what it gave the name ``constant``.

    Nothing is written beside it, and nothing is read but the file as it is now.

    Raises
    ------
    UsageError : it cannot be read or run, or has no such name; the message names file and line.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "look at the file") from None
    module = types.ModuleType(f"scalelab_user_{path.parent.name}_{path.stem}")
    module.__file__ = str(path)
    # Known by its name while it lives: dataclasses and pickle look their module up.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error) or repr(error)
        where = f"{path}:{_line(error, path)}"
        raise UsageError(f"{where}: {said}", "mend that line") from error
    if constant not in module.__dict__:
        raise UsageError(
            f"{path} defines no {constant}", f"the file must say: {constant} = ..."
        ) from None
    return module.__dict__[constant]


def line_of(path: Path, word: str) -> int | None:
    """The line where the file first has this string, None where it is put together otherwise."""
    tree = ast.parse(path.read_bytes())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return min((node.lineno for node in found if node.value == word), default=None)


def _line(error: BaseException, path: Path) -> int:
    """The line of this file that led to the error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
