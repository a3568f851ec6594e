"""What a module says of its classes, functions and methods: by its source, or, of C, by itself."""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Names = frozenset[str] | None
"""None is all of them."""
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

_BOUND = re.compile(r"^\(\$\w+(, /)?(, )?")


@dataclass(frozen=True, slots=True)
class Thing:
    """A module, class, function or method.

    Parameters
    ----------
    name : with its module's, by dots.
    signature : as it is called; empty for a module.
    """

    kind: str
    name: str
    module: str
    signature: str
    doc: str


def wanted(name: str, only: Names) -> bool:
    """Whether a name is public, and among those asked for."""
    return not name.startswith("_") and (only is None or name in only)


# --- what is written in Python -------------------------------------------------------------------


def tree(path: Path) -> ast.Module:
    """A source file parsed.

    Raises
    ------
    OSError, SyntaxError, ValueError : it cannot be read.
    """
    with tokenize.open(path) as file:
        source = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in somebody else's literals
        return ast.parse(source)


def flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, and those below ``if`` and ``try``."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from flat([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handled = [each for handler in node.handlers for each in handler.body]
            yield from flat([*node.body, *handled, *node.orelse, *node.finalbody])


def documented(node: ast.Module | Definition) -> str:
    """Its documentation, or nothing."""
    return (ast.get_docstring(node) or "").strip()


def defined(node: Definition, prefix: str, module: str, kind: str) -> Iterator[Thing]:
    """A function, or a class and its methods, as far as they have a documentation."""
    name, doc = f"{prefix}.{node.name}", documented(node)
    if isinstance(node, ast.ClassDef):
        if doc:
            yield Thing("class", name, module, _init(node), doc)
        for inner in flat(node.body):
            if isinstance(inner, DEFINITIONS) and not inner.name.startswith("_"):
                yield from defined(inner, name, module, "method")
    elif doc:
        yield Thing(kind, name, module, f"{node.name}{_arguments(node)}", doc)


def exported(module: ast.Module) -> Names:
    """The names in ``__all__``, as far as they are written there; None where there is none."""
    names: set[str] = set()
    for node in flat(module.body):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        if not any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets):
            continue
        value = getattr(node, "value", None)
        if not isinstance(value, ast.List | ast.Tuple):
            return None
        constants = (each.value for each in value.elts if isinstance(each, ast.Constant))
        names |= {each for each in constants if isinstance(each, str)}
    return frozenset(names) or None


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returns}"


def _init(node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            arguments = ast.unparse(each.args)
            return f"{node.name}({arguments.removeprefix('self').removeprefix(', ')})"
    return node.name


# --- what is written in C ------------------------------------------------------------------------


def said(value: Any) -> str:
    """Its documentation, or nothing."""
    doc = getattr(value, "__doc__", None)
    return inspect.cleandoc(doc).strip() if isinstance(doc, str) else ""


def members(module: ModuleType, only: Names) -> list[str]:
    """The public names of a module in C, in order."""
    return sorted(name for name in vars(module) if wanted(name, only))


def compiled(value: Any, key: str, module: str) -> Iterator[Thing]:
    """A function, or a class and its methods, as far as they have a documentation."""
    name, doc = f"{module}.{key}", said(value)
    if inspect.isclass(value):
        if doc:
            yield Thing("class", name, module, _signature(key, value), doc)
        for inner, each in sorted(vars(value).items()):
            each = getattr(each, "__func__", each)
            if not inner.startswith("_") and inspect.isroutine(each) and (doc := said(each)):
                yield Thing("method", f"{name}.{inner}", module, _signature(inner, each), doc)
    elif inspect.isroutine(value) and doc:
        yield Thing("function", name, module, _signature(key, value), doc)


def _signature(key: str, value: Any) -> str:
    # As it is written in C: to evaluate its defaults, as ``inspect.signature`` does, may fail.
    if isinstance(text := getattr(value, "__text_signature__", None), str):
        return key + " ".join(_BOUND.sub("(", text).split())
    # Older ones begin their documentation with it: "range(stop) -> range object".
    first = said(value).partition("\n")[0]
    return first if first.startswith(f"{key}(") else key
