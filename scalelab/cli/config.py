"""What the user has set: environment and ``scalelab.toml``, and the objects made from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalelab.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.cluster import Clusters
    from scalelab.injection import Injector
    from scalelab.journal import Journal
    from scalelab.ledger import Ledger
    from scalelab.model import Topology
    from scalelab.protocols import Runtime
    from scalelab.runs import Runs
    from scalelab.runtimes.docker import DockerRuntime

FILE = "scalelab.toml"
RUNTIMES = ("auto", "local", "docker")


def defaults(known: Callable[[], Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The defaults of every command from ``scalelab.toml`` in the current folder, nested for Click.

    Plain keys hold for every command that has such an option, a table for the command of its
    name (``[lab.run]`` for one of a group); ``[images]`` names container images by service.

    Parameters
    ----------
    known : gives the options of every command (Click's), by their long names; a command of a group
        is named "group command". Not asked where there is no file: that takes a third of the time
        of a short command.

    Raises
    ------
    UsageError : the file is not TOML, or has a table that is no command or a key that is no option.
    """
    read = _read()
    if not read:
        return {}
    commands = known()
    plain = {key: value for key, value in read.items() if not isinstance(value, dict)}
    groups = {name.partition(" ")[0] for name in commands if " " in name}
    tables: dict[str, dict[str, Any]] = {}
    for key, table in read.items():
        if key in plain or key == "images":  # checked by images(): it speaks of services
            continue
        _must_know("table", [key], [*(name.partition(" ")[0] for name in commands), "images"])
        if key in groups:
            of_group = [name.partition(" ")[2] for name in commands if name.startswith(f"{key} ")]
            _must_know(f"table of [{key}]", table, of_group)
            for name, keys in table.items():
                if not isinstance(keys, dict):
                    raise UsageError(
                        f"{FILE}: {name} of [{key}] is a command, not a key",
                        f"put its keys under [{key}.{name}]",
                    )
                tables[f"{key} {name}"] = keys
        else:
            tables[key] = table
    _must_know("key", plain, {option for options in commands.values() for option in options})
    found: dict[str, dict[str, Any]] = {}
    for command, options in commands.items():
        table = tables.get(command, {})
        _must_know(f"key of [{command.replace(' ', '.')}]", table, options)
        values = {
            options[key].name: _value(options[key], value)
            for key, value in {**plain, **table}.items()
            if key in options
        }
        group, _, name = command.rpartition(" ")
        (found.setdefault(group, {}) if group else found)[name] = values
    return found


def state() -> Path:
    """The state folder: ``SCALELAB_STATE``, else the platform's own place."""
    if named := os.environ.get("SCALELAB_STATE"):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_state_path("scalelab")


def ledger() -> Ledger:
    """The ledger of the state folder."""
    from scalelab.ledger import Ledger

    return Ledger(state())


def runs() -> Runs:
    """The kept runs of the state folder."""
    from scalelab.runs import Runs

    return Runs(state())


def journal() -> Journal:
    """The learner's journal in the state folder."""
    from scalelab.cli.output import note
    from scalelab.journal import Journal

    return Journal(state(), note)


def clusters() -> Clusters:
    """The clusters of the state folder, with both runtimes at hand."""
    from scalelab import catalog
    from scalelab.cluster import Clusters

    kept = ledger()
    return Clusters(kept, catalog.services, lambda name: _runtime(name, kept))


def injector() -> Injector:
    """What injects and heals faults on the clusters of the state folder."""
    from scalelab import catalog
    from scalelab.injection import Injector

    return Injector(ledger(), clusters(), catalog.services, catalog.faults)


def heal_due() -> list[str]:
    """Heal the faults that have expired or whose scalelab is gone; a line for each.

    Called by every command: it costs a look at the ledger where no fault is on.
    """
    kept = ledger()
    if not any(cluster.faults or cluster.routes for cluster in kept.clusters()[0]):
        return []
    return list(injector().heal_due())


def choose_runtime(wanted: str, topologies: Sequence[Topology]) -> tuple[str, str]:
    """Which runtime to use for all of these, and why in a few words.

    Parameters
    ----------
    wanted : auto, local or docker.

    Raises
    ------
    UnknownName : there is no such runtime.
    """
    if wanted not in RUNTIMES:
        raise UnknownName("runtime", wanted, RUNTIMES)
    if wanted != "auto":
        return wanted, "as asked"
    if not docker_is_likely():
        return "local", "no Docker here"
    docker, why = _docker(ledger()), ""
    for topology in topologies:
        usable, why = docker.usable(topology)
        if not usable:
            return "local", why
    return "docker", why


def docker_is_likely() -> bool:
    """Whether asking a Docker daemon is worth importing its client."""
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    return bool(
        os.environ.get("DOCKER_HOST")
        or Path("/var/run/docker.sock").exists()
        or (home / "contexts").is_dir()
        or (Path.home() / ".docker/run/docker.sock").exists()
    )


def images() -> Mapping[str, str]:
    """The container images the user has named, by service."""
    from scalelab import catalog

    table = _read().get("images", {})
    for name in table:
        if name not in catalog.services:
            raise UnknownName(f"service of [images] in {FILE}", name, catalog.services)
    named = {name: os.environ.get(f"SCALELAB_{name.upper()}_IMAGE") for name in catalog.services}
    return {name: image or str(table.get(name, "")) for name, image in named.items()}


def _runtime(name: str, kept: Ledger) -> Runtime:
    if name == "docker":
        return _docker(kept)
    from scalelab import catalog
    from scalelab.cli import output
    from scalelab.runtimes.local import LocalRuntime

    return LocalRuntime(kept.folder, kept.state_id, catalog.services, output.Fetching())


def _docker(kept: Ledger) -> DockerRuntime:
    from scalelab import catalog
    from scalelab.runtimes.docker import DockerRuntime

    return DockerRuntime(kept.state_id, catalog.services.__getitem__, images())


def _must_know(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = sorted(known)
    for name in given:
        if name not in names:
            raise UnknownName(f"{kind} of {FILE}", name, names)


def _value(option: Any, value: Any) -> Any:
    many = getattr(option, "multiple", False)
    return [value] if many and not isinstance(value, list) else value


def _read() -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{FILE}: {error}", "mend that line, or move the file away") from None
