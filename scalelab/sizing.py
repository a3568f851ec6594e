"""Variants at another size: what a sweep can vary of them, and each of them at one value of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scalelab import catalog
from scalelab.errors import UsageError
from scalelab.model import Parameter, Params, TopologyKind, Variant

NODES = "nodes"
"""The key that stands for the number of a topology's nodes, whatever its parameter is called."""
_TOLD = 16  # possible numbers of nodes named in an error


def keys(variants: Sequence[Variant]) -> dict[str, bool]:
    """What of these variants' topologies a sweep can vary.

    Returns
    -------
    By key, whether it is a count of nodes (``replicas``) rather than a quantity
    (``maxmemory_mb``).
    """
    found: dict[str, bool] = {}
    for variant in variants:
        kind = catalog.topologies[variant.topology]
        for parameter in _numbers(kind):
            counts = _counts_nodes(kind, parameter, _params(variant))
            found[parameter.name] = found.get(parameter.name, False) or counts
    if any(found.values()):
        found[NODES] = True
    return found


def resize(variants: Sequence[Variant], key: str, value: int) -> tuple[Variant, ...]:
    """The variants with this key at this value; who does not have the key stays as it is.

    Where that makes two of them the same, only the first remains.

    Raises
    ------
    UsageError : a variant that has the key cannot have this value.
    """
    found: list[Variant] = []
    for variant in variants:
        sized = variant
        if has(variant, key):
            sized = _nodes(variant, value) if key == NODES else _parameter(variant, key, value)
        twin = replace(sized, params=_params(sized))
        if all(twin != replace(other, name=sized.name, params=_params(other)) for other in found):
            found.append(sized)
    return tuple(found)


def has(variant: Variant, key: str) -> bool:
    """Whether this key is one of the variant's own."""
    kind, params = catalog.topologies[variant.topology], _params(variant)
    return any(
        _counts_nodes(kind, parameter, params) if key == NODES else parameter.name == key
        for parameter in _numbers(kind)
    )


def count(variant: Variant) -> int:
    """How many nodes a variant's topology has."""
    return len(catalog.topology(variant.topology, variant.params).nodes)


def _parameter(variant: Variant, key: str, value: int) -> Variant:
    sized = replace(variant, params={**variant.params, key: value})
    catalog.topology(sized.topology, sized.params)  # raises what it cannot be
    return sized


def _nodes(variant: Variant, value: int) -> Variant:
    kind, params = catalog.topologies[variant.topology], _params(variant)
    possible: set[int] = set()
    for parameter in _numbers(kind):
        if not _counts_nodes(kind, parameter, params):
            continue
        for size in _sizes(parameter, value):
            nodes = len(kind.build({**params, parameter.name: size}))
            if nodes == value:
                return replace(variant, params={**variant.params, parameter.name: size})
            possible.add(nodes)
    raise UsageError(
        f"{variant.name} cannot have {value} nodes", f"it can have {_listed(possible)}"
    )


def _params(variant: Variant) -> Params:
    """All parameters of a variant's topology, as given or by default."""
    return catalog.topology(variant.topology, variant.params).params


def _numbers(kind: TopologyKind) -> Iterator[Parameter]:
    return (parameter for parameter in kind.parameters if parameter.kind is int)


def _counts_nodes(kind: TopologyKind, parameter: Parameter, params: Params) -> bool:
    low = parameter.low or 0
    if parameter.high is not None and parameter.high <= low:
        return False
    one, other = (len(kind.build({**params, parameter.name: n})) for n in (low, low + 1))
    return one != other


def _sizes(parameter: Parameter, nodes: int) -> range:
    """The values that can make so many nodes: each adds one node at least."""
    low = parameter.low or 0
    high = low + max(nodes, _TOLD)
    return range(low, min(high, parameter.high if parameter.high is not None else high) + 1)


def _listed(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    if len(numbers) == high - low + 1:
        return f"{low} to {high}"
    return "one of " + ", ".join(map(str, sorted(numbers)[:_TOLD]))
