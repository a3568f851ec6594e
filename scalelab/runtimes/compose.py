"""Exports a topology as a standard Compose file, for those who want it without scalelab.

The file holds everything: the nodes' own files are written by the container's command from here
documents, with the password put in from the environment, and the boot script is the one that
every runtime uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import yaml

from scalelab.errors import EnvironmentLacks, ScalelabError
from scalelab.model import Address, Budget, Place, Places, Topology
from scalelab.protocols import Service
from scalelab.runtimes import boot, budgets

_FIRST_PORT = 15_001
_SENTINEL = "@SCALELAB-PASSWORD@"
_HERE = "END-OF-FILE"


def document(topology: Topology, service: Callable[[str], Service], budget: Budget) -> str:
    """A Compose file that brings the topology up: the same for the same arguments, always.

    ``SCALELAB_PASSWORD`` must be set where it is used. Every image and every published port can
    be replaced: ``SCALELAB_<SERVICE>_IMAGE`` and ``SCALELAB_PORT_<NODE>``.

    Parameters
    ----------
    service : finds a service by name.
    budget : of each node.

    Returns
    -------
    The file's text.
    """
    places = _places(topology, service, budget)
    content = {
        "services": {
            name: _node(place, places, service(place.node.service))
            for name, place in places.items()
        },
        "volumes": {name: {} for name in places},
    }
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return _header(topology, budget) + body


def _places(topology: Topology, service: Callable[[str], Service], budget: Budget) -> Places:
    places = {}
    for number, node in enumerate(topology.nodes):
        image = service(node.service).image
        volume = image.volume
        places[node.name] = Place(
            cluster=topology.name,
            node=node,
            client=Address("127.0.0.1", _FIRST_PORT + number),
            peer=Address(node.name, image.port),
            bind=Address("0.0.0.0", image.port),
            # Both in the volume: a container made anew must know that its data is prepared.
            data_dir=f"{volume}/data" if image.data_dir == volume else image.data_dir,
            conf_dir=f"{volume}/scalelab",
            password=_SENTINEL,
            budget=budget,
            control=Address(node.name, image.control) if image.control else None,
        )
    return places


def _node(place: Place, places: Places, service: Service) -> dict[str, Any]:
    node, image = place.node, service.image
    if not image.default:
        raise EnvironmentLacks(
            f"nobody publishes an image of {node.service} to rely on",
            "bring the topology up with scalelab itself: scalelab up",
        )
    if _hidden(place, places, service):
        raise EnvironmentLacks(
            f"the password of {node.service} is in its files as a hash, which Compose cannot make",
            f"bring the topology up with scalelab itself: scalelab up {place.cluster}",
        )
    port = f"${{SCALELAB_PORT_{node.name.upper().replace('-', '_')}:-{place.client.port}}}"
    described: dict[str, Any] = {
        "image": f"${{SCALELAB_{node.service.upper()}_IMAGE:-{image.default}}}",
        "hostname": node.name,
        "user": _Quoted(f"{image.uid}:{image.uid}"),
        "environment": {"SCALELAB_PASSWORD": "${SCALELAB_PASSWORD:?set it to letters and digits}"},
        "entrypoint": ["sh", "-c"],
        "command": [_literal(_script(place, places, service))],
        "ports": [f"{place.client.host}:{port}:{image.port}"],
        "volumes": [f"{node.name}:{image.volume}"],
        "healthcheck": {
            "test": ["CMD-SHELL", _literal(service.health(node))],
            "interval": "2s",
            "timeout": "5s",
            "retries": 30,
        },
        "stop_signal": service.stop_signal,
        "stop_grace_period": "30s",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **_limits(place.budget),
    }
    if first := [name for name in (node.follows, *node.needs) if name]:
        described["depends_on"] = {name: {"condition": "service_healthy"} for name in first}
    return described


def _hidden(place: Place, places: Places, service: Service) -> bool:
    """Whether another password would change more in a node's files than the password itself."""

    def rest(password: str) -> dict[str, str]:
        launch = service.launch(replace(place, password=password), places)
        return {n: t.replace(password, "") for n, t in {**launch.files, **launch.once}.items()}

    return rest(_SENTINEL) != rest(_SENTINEL[::-1])


def _limits(budget: Budget) -> dict[str, int | str]:
    limits: dict[str, int | str] = {}
    if budget.cpus is not None:
        # Not `cpus`: its period is 100 ms, in which a throttled server stalls for too long.
        limits["cpu_quota"], limits["cpu_period"] = budgets.quota(budget.cpus)
    if budget.memory is not None:
        whole, rest = divmod(budget.memory, 1024**2)
        limits["mem_limit"] = limits["memswap_limit"] = f"{budget.memory}b" if rest else f"{whole}m"
    return limits


def _script(place: Place, places: Places, service: Service) -> str:
    # No ledger decides here who follows whom: who was promoted by hand must not be undone.
    launch = replace(service.launch(place, places), rejoin=())
    booting = boot.script(launch, place)
    if _SENTINEL in booting:
        raise ScalelabError(f"the launch of {place.node.name} has its password in a command")
    files = {**launch.files, **launch.once}
    writing = [_here_document(place, name, text) for name, text in sorted(files.items())]
    return "\n".join(
        [
            "set -eu",
            "umask 077",
            f"mkdir -p {place.conf_dir}",
            *writing,
            "unset SCALELAB_PASSWORD",
            booting,
        ]
    )


def _here_document(place: Place, name: str, text: str) -> str:
    if _HERE in text.splitlines():
        raise ScalelabError(f"{name} of {place.node.name} holds the line {_HERE}")
    end = _HERE if _SENTINEL in text else f"'{_HERE}'"
    if _SENTINEL in text:
        # Unquoted, so that the shell puts the password in, and therefore nothing else.
        for special in ("\\", "$", "`"):
            text = text.replace(special, f"\\{special}")
        text = text.replace(_SENTINEL, "${SCALELAB_PASSWORD}")
    if not text.endswith("\n"):
        text += "\n"
    return f"cat > {place.conf_dir}/{name} <<{end}\n{text}{_HERE}"


def _header(topology: Topology, budget: Budget) -> str:
    options = [f"-p {name}={value}" for name, value in topology.params.items()]
    made_by = " ".join(["scalelab compose", topology.name, *options])
    limits = [
        f"{budget.cpus:g} of a core (cpu_quota / cpu_period)" if budget.cpus is not None else "",
        f"{budget.memory // 1024**2} MB" if budget.memory is not None else "",
    ]
    each = " and ".join(filter(None, limits)) or "no limits"
    return "".join(
        f"# {line}\n"
        for line in (
            f"Generated, do not edit: {made_by}",
            f"Every node has {each}.",
            "Bring it up (the password may hold letters and digits only):",
            f"  SCALELAB_PASSWORD=... docker compose -f {topology.name}.yaml up -d",
            "Take it down, data included: the same with `down -v`.",
        )
    )


class _Dumper(yaml.SafeDumper):
    """Scripts as literal blocks, which people can read."""


class _Literal(str):
    __slots__ = ()


class _Quoted(str):
    """Digits and colons, which a reader of YAML 1.1 may take for a number."""

    __slots__ = ()


def _literal(text: str) -> _Literal:
    # Compose would take each dollar for a variable of its own.
    return _Literal(text.replace("$", "$$"))


def _represent(dumper: yaml.SafeDumper, text: _Literal | _Quoted) -> yaml.ScalarNode:
    block = "|" if "\n" in text else None
    style = '"' if isinstance(text, _Quoted) else block
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)


_Dumper.add_representer(_Literal, _represent)
_Dumper.add_representer(_Quoted, _represent)
