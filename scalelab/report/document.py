"""A run as a versioned JSON document, and back. Pure.

Every key that holds a quantity names its unit (``p99_ms``, ``throughput_per_s``). The schema's
version changes with any change to the keys or their meaning, so that a reader can be strict: a
document either is exactly this, or is refused. ``tests/unit/report`` pins it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any

from scalelab.errors import UsageError
from scalelab.measure.histogram import Histogram
from scalelab.model import (
    Budget,
    Comparison,
    Load,
    Rehearsal,
    RunResult,
    Stage,
    StageSummary,
    VariantSummary,
)

SCHEMA = "scalelab.run"
VERSION = 5

# Where a field's key differs from its name: to name the unit, or to speak plainly.
_KEYS: Mapping[type, Mapping[str, str]] = {
    RunResult: {
        "started": "started_unix_s",
        "summaries": "variants",
        "noop_ceiling": "noop_ceiling_per_s",
    },
    Budget: {"cpus": "cpu_cores", "memory": "memory_bytes", "disk": "disk_bytes"},
    Load: {"rate": "rate_per_s"},
    Stage: {"rate": "rate_per_s"},
    StageSummary: {"offered": "offered_per_s", "achieved": "achieved_per_s"},
    Rehearsal: {"added_at": "worker_added_at_cpu_shares"},
    Comparison: {"low": "ratio_low", "high": "ratio_high"},
    VariantSummary: {
        "throughput": "throughput_per_s",
        "throughput_low": "throughput_low_per_s",
        "throughput_high": "throughput_high_per_s",
        "cpu_share": "generator_cpu_share",
        "ceiling_share": "generator_ceiling_share",
        "offered": "offered_per_s",
        "by_round": "throughput_by_round_per_s",
        "timeline": "throughput_timeline_per_s",
    },
}


def build(result: RunResult) -> dict[str, Any]:
    """The document of a run, ready for ``json``."""
    return {"schema": SCHEMA, "version": VERSION, **plain(result)}


def dump(result: RunResult) -> str:
    """The document of a run as text."""
    return json.dumps(build(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load(text: str, source: str = "the report") -> RunResult:
    """The run in a document.

    Parameters
    ----------
    source : what to call the document in an error (its file name).

    Raises
    ------
    UsageError : it is damaged, of another version, or not a scalelab run at all.
    """
    return read(opened(text, source), source)


def opened(text: str, source: str) -> dict[str, Any]:
    """A document as plain data; {} when it is JSON, but no document.

    Raises
    ------
    UsageError : it is not JSON.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise damaged(source, error) from None
    return document if isinstance(document, dict) else {}


def read(document: dict[str, Any], source: str) -> RunResult:
    """The run in a document that is open; raises as ``load`` does."""
    body = versioned(document, SCHEMA, VERSION, source)
    try:
        result = fit(RunResult, body)
        _must_agree(result)
    except Damaged as error:
        raise damaged(source, error) from None
    assert isinstance(result, RunResult)
    return result


def versioned(document: dict[str, Any], schema: str, version: int, source: str) -> dict[str, Any]:
    """What is in a document of this schema and version, without the two.

    Raises
    ------
    UsageError : it is of another.
    """
    if document.get("schema") != schema:
        what = schema.replace(".", " ")
        raise UsageError(f"{source} is not a {what}", f'one has "schema": "{schema}" at its top')
    if document.get("version") != version or isinstance(document["version"], bool):
        raise UsageError(
            f"{source} has version {document.get('version')!r} of the schema, not {version}",
            "read it with the scalelab that wrote it, or run the lab again",
        )
    return {key: value for key, value in document.items() if key not in ("schema", "version")}


def damaged(source: str, why: Exception) -> UsageError:
    """What to raise for a document that does not hold what it should."""
    return UsageError(
        f"{source} is damaged: {why}", "write it again with: scalelab bench LAB --json FILE"
    )


class Damaged(Exception):
    """A value that does not fit the schema."""


def plain(value: Any) -> Any:
    """Dataclasses and what is in them as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        keys = _KEYS.get(type(value), {})
        return {
            keys.get(field.name, field.name): plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def fit(kind: Any, value: Any, path: str = "") -> Any:
    """``value`` as the type ``kind`` says, or Damaged with the path to it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return _one_of(arguments, value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise Damaged(f"{path} is not a list")
        return tuple(fit(arguments[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise Damaged(f"{path} is not an object")
        return {_text(key, path): fit(arguments[1], v, f"{path}.{key}") for key, v in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _object(kind, value, path)
    if kind is float and type(value) is int and abs(value) < 2**1000:
        return float(value)
    if type(value) is not kind:
        raise Damaged(f"{path} is {value!r:.80}, not {_NAMES.get(kind, kind.__name__)}")
    return _text(value, path) if kind is str else value


_NAMES = {int: "a whole number", float: "a number", str: "a text", types.NoneType: "null"}


def _one_of(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    """The first kind that fits exactly, so that a whole number stays one."""
    for kind in sorted(kinds, key=lambda kind: kind is not type(value)):
        try:
            return fit(kind, value, path)
        except Damaged as error:
            damaged = error
            if dataclasses.is_dataclass(kind) and isinstance(value, dict):
                break  # its own message says which part of the object is wrong
    raise damaged


def _object(kind: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise Damaged(f"{path or 'it'} is not an object")
    hints, keys = typing.get_type_hints(kind), _KEYS.get(kind, {})
    named = {keys.get(name, name): name for name in hints}
    prefix = f"{path}." if path else ""
    if missing := [key for key in named if key not in value]:
        raise Damaged(f"{prefix}{missing[0]} is missing")
    if unknown := [key for key in value if key not in named]:
        raise Damaged(f"{prefix}{unknown[0]} is unknown")
    return kind(
        **{name: fit(hints[name], value[key], f"{prefix}{key}") for key, name in named.items()}
    )


def _must_agree(result: RunResult) -> None:
    """Raise Damaged where parts that fit the schema do not fit each other."""
    names = [summary.name for summary in result.summaries]
    if not names:
        raise Damaged("it has no variants")
    if len(set(names)) < len(names):
        raise Damaged("it has two variants of one name")
    if result.aa and len(names) != 2:
        raise Damaged("an A/A run has two variants")
    if len(result.order) != result.rounds or any(sorted(o) != sorted(names) for o in result.order):
        raise Damaged(f"order is not that of its {result.rounds} rounds")
    try:
        time.gmtime(result.started)
    except (OverflowError, ValueError, OSError):
        raise Damaged(f"started_unix_s is {result.started:g}") from None
    for index, summary in enumerate(result.summaries):
        if len(summary.by_round) != result.rounds:
            raise Damaged(f"variants[{index}].throughput_by_round_per_s is not of all rounds")
        if len(summary.figures_by_round) != result.rounds:
            raise Damaged(f"variants[{index}].figures_by_round is not of all rounds")
        if len(summary.stages) != len(result.load.stages):
            raise Damaged(f"variants[{index}].stages are not those of the load")
        try:
            Histogram.decode(summary.histogram.encode())
        except Exception:  # binascii, zlib, HdrHistogram's own and more: the library names none
            raise Damaged(f"variants[{index}].histogram is not one of HdrHistogram's") from None


def _text(value: str, path: str) -> str:
    """A text without what no terminal and no XML can take; a foreign file may hold anything."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in value):
        raise Damaged(f"{path} has control characters")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
