"""Finds services, topologies, workloads and labs by file name: a new one is a new file."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar, cast

from scalelab.errors import UnknownName, UsageError
from scalelab.model import Lab, Parameter, Params, Topology, TopologyKind
from scalelab.protocols import Service, Workload

T = TypeVar("T")
_PACKAGE = Path(__file__).parent


class Folder(Mapping[str, T], Generic[T]):
    """The modules of one package, each by its file name; imported when asked for.

    Parameters
    ----------
    package : below ``scalelab``, such as "services".
    kind : what one of them is called, for messages.
    constant : the name each module gives its one object.
    """

    def __init__(self, package: str, kind: str, constant: str) -> None:
        self._package, self._kind, self._constant = package, kind, constant

    def __getitem__(self, name: str) -> T:
        # The check comes first: an ImportError inside a module must not look like a wrong name.
        if name not in list(self):
            raise UnknownName(self._kind, name, self)
        module = importlib.import_module(f"scalelab.{self._package}.{name}")
        return cast(T, getattr(module, self._constant))

    def __iter__(self) -> Iterator[str]:
        found = pkgutil.iter_modules([str(_PACKAGE / self._package)])
        return iter(sorted(module.name for module in found if not module.name.startswith("_")))

    def __len__(self) -> int:
        return len(list(iter(self)))


services: Folder[Service] = Folder("services", "service", "SERVICE")
topologies: Folder[TopologyKind] = Folder("topologies", "topology", "TOPOLOGY")
workloads: Folder[Workload] = Folder("workloads", "workload", "WORKLOAD")


def topology(name: str, given: Mapping[str, int | str] | None = None) -> Topology:
    """A topology with its parameters checked and completed by their defaults.

    Parameters
    ----------
    given : values by parameter name; words are converted.

    Raises
    ------
    UnknownName : no such topology or parameter.
    UsageError : a value out of range.
    """
    kind = topologies[name]
    known = {parameter.name: parameter for parameter in kind.parameters}
    for key in given or {}:
        if key not in known:
            raise UnknownName(f"parameter of {name}", key, known)
    params: Params = {
        key: _checked(parameter, (given or {}).get(key, parameter.default))
        for key, parameter in known.items()
    }
    return Topology(name, params, kind.build(params))


def _checked(parameter: Parameter, value: int | str) -> int | str:
    if parameter.kind is int:
        try:
            number = int(value)
        except ValueError:
            raise UsageError(
                f"{parameter.name} takes a whole number, not {value!r}", parameter.help
            ) from None
        low, high = parameter.low, parameter.high
        if (low is not None and number < low) or (high is not None and number > high):
            raise UsageError(
                f"{parameter.name}={number} is out of range", f"it goes from {low} to {high}"
            )
        return number
    if parameter.choices and value not in parameter.choices:
        raise UnknownName(f"value of {parameter.name}", str(value), parameter.choices)
    return str(value)


def lab_folders() -> dict[str, Path]:
    """Every lab's folder by its name: scalelab's own, and those in ``labs/`` where the user stands.

    A user's lab of the same name wins.
    """
    own = _PACKAGE / "labs"  # in an installed wheel
    roots = [own if own.is_dir() else _PACKAGE.parent / "labs", Path.cwd() / "labs"]
    return {
        file.parent.name: file.parent for root in roots for file in sorted(root.glob("*/lab.py"))
    }


def lab(name: str) -> Lab:
    """The lab of this name.

    Raises
    ------
    UnknownName : there is none.
    UsageError : its ``lab.py`` cannot be read; the message names the file and the line.
    """
    folders = lab_folders()
    if name not in folders:
        raise UnknownName("lab", name, folders)
    path = folders[name] / "lab.py"
    spec = importlib.util.spec_from_file_location(f"scalelab_lab_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path}:{_line(error, path)}: {error}", "mend that line") from error
    found = getattr(module, "LAB", None)
    if not isinstance(found, Lab):
        raise UsageError(f"{path} defines no LAB = Lab(...)", "see docs/architecture.md")
    return found


def _line(error: Exception, path: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    line = 0
    trace = error.__traceback__ or sys.exc_info()[2]
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
