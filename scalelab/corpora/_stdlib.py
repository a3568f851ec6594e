"""What the standard library says of itself: by its source, where there is some, not by running it.

To import a module may do things (open a browser, write a cache, turn a terminal's modes), so those
in Python are parsed. Those in C have no other source than themselves: they are imported, but for a
few. Things have the names that people use: what a module takes from a private one (``os.listdir``
from ``posix``) or a package from its modules (``asyncio.run`` from ``asyncio.runners``) is told
once, as its own.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import os.path
import pkgutil
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from scalelab.corpora import _things
from scalelab.corpora._corpus import Reject
from scalelab.corpora._things import DEFINITIONS, Names, Thing

_LEFT_OUT = frozenset(
    # Jokes, an editor, tests, demonstrations, what is gone by now or only tried; the paths of other
    # systems, and what os.path is made of.
    [
        "antigravity",
        "this",
        "idlelib",
        "test",
        "tests",
        "idle_test",
        "turtledemo",
        "lib2to3",
        "distutils",
        "__main__",
        "__phello__",
        "xxlimited",
        "xxlimited_35",
        "xxsubtype",
        "ntpath",
        "nturl2path",
        "posixpath",
        "genericpath",
    ]
)
_NOT_IMPORTED = frozenset(
    # readline turns a terminal's modes; the others warn, or want a service of the machine.
    ["readline", "nis", "ossaudiodev", "spwd", "audioop", "msilib"]
)
_BEHIND = frozenset(["posix", "nt", "genericpath"])
"""Modules that are meant to be used through others although their names are public."""
_FOLDERS = [
    sysconfig.get_path("stdlib"),
    *(folder for folder in sys.path if folder.endswith("lib-dynload")),
]
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def things(reject: Reject) -> Iterator[Thing]:
    """Everything public that has a documentation, module by module in the order of their names."""
    told: set[tuple[str, str]] = set()
    for top in sorted(sys.stdlib_module_names):
        if not top.startswith("_") and top not in _LEFT_OUT:
            yield from _Module(top, _find(top), reject, told).things()
    yield from _Module("os.path", _find(os.path.__name__), reject, told).things()


def parts(name: str) -> str:
    """The words a name is made of: "pathlib path read text"."""
    return " ".join(dict.fromkeys(word.lower() for word in _WORD.findall(name)))


class _Module:
    """One module, and those inside it.

    Parameters
    ----------
    told : what some module has told already, by the file (or module in C) that defines it.
    """

    def __init__(
        self, name: str, spec: ModuleSpec | None, reject: Reject, told: set[tuple[str, str]]
    ) -> None:
        self._name, self._spec, self._reject, self._told = name, spec, reject, told

    def things(self) -> Iterator[Thing]:
        """The module, what it defines and takes, then the modules of a package."""
        if self._spec is None:  # of another platform
            return
        if not (self._spec.origin or "").endswith(".py"):
            yield from self._compiled(self._name, None)
            return
        file = Path(self._spec.origin or "")
        try:
            tree = _things.tree(file)
        except (OSError, SyntaxError, ValueError) as error:
            self._reject(self._name, f"its source cannot be read: {error}")
            return
        if doc := _things.documented(tree):
            yield Thing("module", self._name, self._name, "", doc)
        yield from self._of(file, tree, None)
        for folder in self._spec.submodule_search_locations or ():
            for found in sorted(pkgutil.iter_modules([folder]), key=lambda each: each.name):
                if not found.name.startswith("_") and found.name not in _LEFT_OUT:
                    name = f"{self._name}.{found.name}"
                    spec = _within(Path(folder), found.name, name)
                    yield from _Module(name, spec, self._reject, self._told).things()

    def _of(self, file: Path, tree: ast.Module, only: Names) -> Iterator[Thing]:
        """What a file defines and takes from elsewhere, told as of this module."""
        exported = _things.exported(tree)
        for node in _things.flat(tree.body):
            if isinstance(node, DEFINITIONS):
                if _things.wanted(node.name, only) and self._first(str(file), node.name):
                    yield from _things.defined(node, self._name, self._name, "function")
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from self._taken(file, node, only, exported)

    def _taken(
        self, file: Path, node: ast.ImportFrom, only: Names, exported: Names
    ) -> Iterator[Thing]:
        names: Names = frozenset(alias.name for alias in node.names if alias.asname is None)
        if node.names[0].name == "*":
            names = only
        else:  # what is not exported is for the module's own use
            for limit in (exported, only):
                names = names if limit is None else (names or frozenset()) & limit
        origin = _origin(file, node)
        if origin is None or names == frozenset():
            return
        if not origin.endswith(".py"):
            yield from self._compiled(origin, names)
            return
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            tree = _things.tree(Path(origin))
            limits = _things.exported(tree) if names is None else names
            yield from self._of(Path(origin), tree, limits)

    def _compiled(self, source: str, only: Names) -> Iterator[Thing]:
        """What a module in C says of itself, told as of this module."""
        if (module := _imported(source)) is None:
            return
        if source == self._name and (doc := _things.said(module)):
            yield Thing("module", source, source, "", doc)
        for key in _things.members(module, only):
            if self._first(source, key):
                yield from _things.compiled(getattr(module, key), key, self._name)

    def _first(self, origin: str, name: str) -> bool:
        if (origin, name) in self._told:
            return False
        self._told.add((origin, name))
        return True


# --- where modules are, without importing them ---------------------------------------------------


def _find(name: str) -> ModuleSpec | None:
    # Not where Python looks first: a file of the user's may have the same name.
    if name in sys.builtin_module_names:
        return BuiltinImporter.find_spec(name)
    return PathFinder.find_spec(name, _FOLDERS)


def _within(folder: Path, path: str, name: str) -> ModuleSpec | None:
    for file in (folder / f"{path}.py", folder / path / "__init__.py"):
        if file.is_file():
            inside = [str(file.parent)] if file.name == "__init__.py" else None
            return importlib.util.spec_from_file_location(
                name, file, submodule_search_locations=inside
            )
    return None


def _origin(file: Path, node: ast.ImportFrom) -> str | None:
    """The source file that names are taken from, or the module in C; None where they are another's.

    Another's are those of public modules, but for a package's own modules in its first file.
    """
    name, package = node.module or "", file.name == "__init__.py"
    within = f"{file.parent.name}."
    if node.level == 0 and not (package and name.startswith(within)):
        if "." in name or not (name.startswith("_") or name in _BEHIND):
            return None
        spec = _find(name)
        origin = spec and spec.origin
        return origin if origin and origin.endswith(".py") else name if spec else None
    if node.level > 1 or not (package or name.startswith("_")):
        return None
    spec = _within(file.parent, name.removeprefix(within).replace(".", "/"), name)
    return spec.origin if spec else None


def _imported(name: str) -> ModuleType | None:
    spec = _find(name)
    if spec is None or name in _NOT_IMPORTED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = importlib.util.find_spec(name)
            if found is None or found.origin != spec.origin:  # a file of the user's
                return None
            return importlib.import_module(name)
    except (ImportError, ValueError):  # built without it
        return None
