"""Options that several commands share, and the words they accept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.model import Budget

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_LEAST_MIB = {"--memory": 64, "--disk": 128}


def complete_topology(incomplete: str) -> list[str]:
    """Topologies that begin like this."""
    from scalelab import catalog

    return [name for name in catalog.topologies if name.startswith(incomplete)]


def complete_lab(incomplete: str) -> list[str]:
    """Labs that begin like this."""
    from scalelab import catalog

    names: list[str] = list(catalog.lab_folders())
    if "/" in incomplete:  # experiments are offered once a lab is chosen
        names = [each for lab in names for each in catalog.experiments(lab)]
    return [name for name in names if name.startswith(incomplete)]


def complete_cluster(incomplete: str) -> list[str]:
    """Clusters in the ledger that begin like this."""
    from scalelab.cli import config

    return [name for name in config.ledger().names() if name.startswith(incomplete)]


def complete_exercise(incomplete: str) -> list[str]:
    """Exercises that begin like this."""
    from scalelab import catalog
    from scalelab.grading import exercise

    found = exercise.find(catalog.lab_folders(), ())
    return sorted(name for name in found if name.startswith(incomplete))


def complete_run(incomplete: str) -> list[str]:
    """Kept runs that begin like this."""
    from scalelab.cli import config

    return [name for name in config.runs().names() if name.startswith(incomplete)]


def complete_node(incomplete: str) -> list[str]:
    """Nodes of any cluster in the ledger that begin like this."""
    from scalelab.cli import config

    found, _ = config.ledger().clusters()
    nodes = {node for cluster in found for node in cluster.places}
    return sorted(node for node in nodes if node.startswith(incomplete))


def complete_link(incomplete: str) -> list[str]:
    """Links of any cluster in the ledger that begin like this."""
    from scalelab import links
    from scalelab.cli import config

    found, _ = config.ledger().clusters()
    known = {link for cluster in found for link in links.names(cluster.places)}
    return sorted(link for link in known if link.startswith(incomplete))


def complete_fault(incomplete: str) -> list[str]:
    """Faults of any cluster that are on, by id or target, that begin like this."""
    from scalelab.cli import config

    found, _ = config.ledger().clusters()
    known = {word for c in found for fault in c.faults for word in (fault.id, fault.target)}
    return sorted(word for word in known if word.startswith(incomplete))


Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        "-n",
        envvar="SCALELAB_NAME",
        help="Which cluster. Default: the only one.",
        autocompletion=complete_cluster,
    ),
]
NodeArgument = Annotated[
    str | None, typer.Argument(help="Which node.", autocompletion=complete_node)
]
NodesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Which nodes. Default: all.", autocompletion=complete_node),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime",
        "-r",
        envvar="SCALELAB_RUNTIME",
        help="auto, local (processes) or docker (containers).",
        autocompletion=lambda incomplete: [
            name for name in ("auto", "local", "docker") if name.startswith(incomplete)
        ],
    ),
]
Cpus = Annotated[
    str | None,
    typer.Option(
        "--cpus",
        envvar="SCALELAB_CPUS",
        help="Cores one node may use, or none for no limit. Default: 0.2; 1 with Elasticsearch.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        envvar="SCALELAB_MEMORY",
        help="Memory one node may use, or none for no limit. Default: 256M; 1G with Elasticsearch.",
    ),
]
Disk = Annotated[
    str,
    typer.Option(
        "--disk",
        envvar="SCALELAB_DISK",
        help="A disk of its own for each node, held in memory (256M), or none for this machine's.",
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(envvar="SCALELAB_DURATION", help="Seconds measured in each slice. Default: 3."),
]
Rounds = Annotated[int | None, typer.Option(envvar="SCALELAB_ROUNDS", min=1, help="Default: 5.")]
Seed = Annotated[
    int, typer.Option(envvar="SCALELAB_SEED", help="Of keys, arrivals and the order of variants.")
]
Workers = Annotated[
    int | None, typer.Option(envvar="SCALELAB_WORKERS", min=1, help="Processes that make the load.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", envvar="SCALELAB_QUICK", help="A first look: no verdicts."),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; repeat for more."),
]

DEFAULT_DISK = "none"


def params(given: list[str] | None) -> dict[str, int | str]:
    """Read ``key=value`` words.

    Raises
    ------
    UsageError : a word without "=".
    """
    read: dict[str, int | str] = {}
    for word in given or ():
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise UsageError(f"-p takes KEY=VALUE, not {word!r}", "for example: -p replicas=3")
        read[key] = value
    return read


def budget(
    cpus: str | None, memory: str | None, disk: str = DEFAULT_DISK, *, usual: Budget
) -> Budget:
    """Read what one node may use.

    Parameters
    ----------
    usual : holds for what is None.

    Raises
    ------
    UsageError : not a number, or out of range.
    """
    from scalelab.model import Budget

    return Budget(
        usual.cpus if cpus is None else _cpus(cpus),
        usual.memory if memory is None else _size("--memory", memory),
        _size("--disk", disk),
    )


def _cpus(word: str) -> float | None:
    if word == "none":
        return None
    try:
        share = float(word)
    except ValueError:
        share = 0.0
    if not 0.01 <= share <= 1024:
        raise UsageError(
            f"--cpus takes cores from 0.01 up, not {word!r}", "for example: --cpus 0.2"
        )
    return share


def _size(option: str, word: str) -> int | None:
    if word == "none":
        return None
    match = _SIZE.fullmatch(word.strip())
    if not match:
        raise UsageError(f"{option} takes a size, not {word!r}", f"for example: {option} 256M")
    count = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
    least = _LEAST_MIB[option]
    if count < least * 1024**2:
        raise UsageError(
            f"{option} {word} is too little for a server", f"it takes {least}M or more"
        )
    return count


def cluster_name(word: str) -> str:
    """Check a name for a new cluster.

    Raises
    ------
    UsageError : it cannot be part of folder, container and network names.
    """
    if not _NAME.fullmatch(word):
        raise UsageError(
            f"{word!r} cannot be a cluster's name",
            "use small letters, digits, - and _, 40 at most, a letter or digit first",
        )
    return word
