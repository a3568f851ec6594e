"""Finds services, topologies, workloads, faults and labs by file name: a new one is a new file."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar, cast

from scalelab import strokes, userfile
from scalelab.errors import UnknownName, UsageError
from scalelab.measure import cost, metrics
from scalelab.model import (
    LEADER,
    Budget,
    Claim,
    Lab,
    Parameter,
    Params,
    Prediction,
    Topology,
    TopologyKind,
    Variant,
)
from scalelab.protocols import Fault, Service, Workload

T = TypeVar("T")
_PACKAGE = Path(__file__).parent
_VARIANT = re.compile(r"[a-z0-9][a-z0-9-]*")
_WORKLOAD = ("summary", "keys", "distribution", "load", "versions", "session")


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
        if name not in self:
            raise UnknownName(self._kind, name, self)
        module = importlib.import_module(f"scalelab.{self._package}.{name}")
        return cast(T, getattr(module, self._constant))

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        found = pkgutil.iter_modules([str(_PACKAGE / self._package)])
        return iter(sorted(module.name for module in found if not module.name.startswith("_")))

    def __len__(self) -> int:
        return len(list(iter(self)))


services: Folder[Service] = Folder("services", "service", "SERVICE")
topologies: Folder[TopologyKind] = Folder("topologies", "topology", "TOPOLOGY")


class Workloads(Folder[Workload]):
    """The workloads by name; one that ends in ``.py`` is the path of a user's own file."""

    def __getitem__(self, name: str) -> Workload:
        if not name.endswith(".py"):
            return super().__getitem__(name)
        found = userfile.read(Path(name), "WORKLOAD")
        for part in _WORKLOAD:
            if not hasattr(found, part):
                raise UsageError(
                    f"{name}: its WORKLOAD has no {part!r}", "see docs/writing-a-lab.md"
                )
        return cast(Workload, found)


workloads = Workloads("workloads", "workload", "WORKLOAD")
faults: Folder[Fault] = Folder("faults", "fault", "FAULT")


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


def budget(lab: Lab) -> Budget:
    """What every node of a lab gets where the user asks for nothing: enough for the largest."""
    found = [topologies[variant.topology].budget for variant in lab.variants]
    return Budget(
        max((each.cpus for each in found if each.cpus is not None), default=None),
        max((each.memory for each in found if each.memory is not None), default=None),
    )


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


def course_folder() -> Path:
    """The folder of scalelab's own labs and their course."""
    installed = _PACKAGE / "labs"  # in a wheel
    return installed if installed.is_dir() else _PACKAGE.parent / "labs"


def lab_folders() -> dict[str, Path]:
    """Every lab's folder by its name: scalelab's own, and those in ``labs/`` where the user stands.

    A user's lab of the same name wins.
    """
    roots = [course_folder(), Path.cwd() / "labs"]
    return {
        file.parent.name: file.parent for root in roots for file in sorted(root.glob("*/lab.py"))
    }


def lab(name: str) -> Lab:
    """The lab of this name, whole: what it names exists.

    ``LAB/EXPERIMENT`` is one of its experiments: a question of its own, in a file of the lab's
    folder ``experiments``. Its own workloads (files in its folder) are named by their paths.

    Raises
    ------
    UnknownName : there is none.
    UsageError : its file cannot be read, or speaks of what is not there; the message names the
        file and the line.
    """
    folders, (main, _, experiment) = lab_folders(), name.partition("/")
    if main not in folders:
        raise UnknownName("lab", main, folders)
    path = folders[main] / "lab.py"
    if experiment:
        if name not in experiments(main):
            raise UnknownName(f"experiment of {main}", name, experiments(main))
        path = folders[main] / "experiments" / f"{experiment}.py"
    found = userfile.read(path, "LAB")
    if not isinstance(found, Lab):
        raise UsageError(f"{path}: LAB is no Lab", "the file must say: LAB = Lab(...)")
    return _checked_lab(found, path, folders[main])


def experiments(name: str) -> list[str]:
    """The experiments of a lab beside its first question, each as ``LAB/EXPERIMENT``."""
    files = sorted((lab_folders()[name] / "experiments").glob("*.py"))
    return [f"{name}/{file.stem}" for file in files]


def _checked_lab(lab: Lab, path: Path, folder: Path) -> Lab:
    for part, kind in (("variants", Variant), ("claims", Claim), ("predictions", Prediction)):
        listed = getattr(lab, part)
        if not (isinstance(listed, tuple) and all(isinstance(each, kind) for each in listed)):
            hint = f"{part}=({kind.__name__}(...),) and the last comma matters"
            raise UsageError(f"{path}: {part} is no tuple of {kind.__name__}", hint)
    if not lab.variants:
        raise UsageError(f"{path}: the lab has no variants", "the first is the baseline")
    for variant in lab.variants:
        with _naming(path, variant.name):
            _check_variant(variant, lab, folder)
    for said in metrics.statements(lab):
        with _naming(path, said.text):
            metrics.check_one(lab, said)
    lab = replace(
        lab,
        variants=tuple(_with_own_workload(variant, folder) for variant in lab.variants),
        prices=str(folder / lab.prices) if lab.prices else "",
    )
    prices(lab)
    return lab


def prices(lab: Lab) -> cost.Prices | None:
    """What machines cost, by the user's own file of that name where the user stands, or the lab's.

    Raises
    ------
    UsageError : the file cannot be read, or is no list of prices.
    """
    if not lab.prices:
        return None
    path, whose = Path(lab.prices), "the lab's"
    if (own := Path.cwd() / path.name).exists():
        path, whose = own, "your"
    source = f"{whose} {path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} cannot be read: {error}", "put it back, or away") from None
    return cost.parse(text, source)


def _check_variant(variant: Variant, lab: Lab, folder: Path) -> None:
    if not _VARIANT.fullmatch(variant.name):
        raise UsageError(
            f"{variant.name!r} cannot be a variant's name",
            "use small letters, digits and -, a letter or digit first",
        )
    if [other.name for other in lab.variants].count(variant.name) > 1:
        raise UsageError(f"two variants are called {variant.name!r}", "give each a name of its own")
    nodes = [LEADER, *(node.name for node in topology(variant.topology, variant.params).nodes)]
    for text in variant.faults:
        for node in strokes.parse(text, faults).nodes:
            if node not in nodes:
                raise UnknownName(f"node of {variant.name}", node, nodes)
    if not 0.05 <= variant.scale <= 64:
        raise UsageError(f"scale={variant.scale:g} is out of range", "it goes from 0.05 to 64")
    if not variant.worth > 0:
        raise UsageError(f"worth={variant.worth:g} makes no sense", "an operation does something")
    if not variant.workload.endswith(".py"):
        if variant.workload not in list(workloads):
            raise UnknownName("workload", variant.workload, workloads)
    elif not (folder / variant.workload).is_file():
        near = sorted(file.name for file in folder.glob("*.py") if file.name != "lab.py")
        raise UnknownName("workload", variant.workload, near)


def _with_own_workload(variant: Variant, folder: Path) -> Variant:
    if not variant.workload.endswith(".py"):
        return variant
    return replace(variant, workload=str((folder / variant.workload).absolute()))


@contextlib.contextmanager
def _naming(path: Path, word: str) -> Iterator[None]:
    """Put the file, and the line that has this word, before what is wrong there."""
    try:
        yield
    except (UsageError, TypeError, ValueError, AttributeError) as error:
        # The others are what comes of a value of the wrong type.
        line = userfile.line_of(path, word)
        where = f"{path}:{line}" if line else f"{path}, {word!r}"
        hint = error.hint if isinstance(error, UsageError) else "mend that line"
        raise UsageError(f"{where}: {error}", hint) from error
