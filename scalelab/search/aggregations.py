"""An aggregation's answer, however deeply nested, as rows. Pure.

The answer does not say what kind of aggregation it was: its form does. ``buckets`` is a list or, of
named filters, an object; a bucket has ``doc_count``; whatever else is an object holds figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_OWN = {"key", "key_as_string", "doc_count", "doc_count_error_upper_bound", "from", "to"}
_OWN |= {"from_as_string", "to_as_string", "sum_other_doc_count", "bg_count", "after_key", "meta"}
_MOST_HITS = 3


@dataclass(frozen=True)
class Row:
    """One bucket, or the figures of an aggregation without buckets.

    Parameters
    ----------
    depth : how many buckets it is in.
    label : its key; what it is about where it has none.
    count : its documents; None where it is no bucket.
    metrics : name -> figure, as a number or a text.
    heading : whether it only says what the rows below it are.
    """

    depth: int
    label: str
    count: int | None = None
    metrics: Mapping[str, float | str | None] = field(default_factory=dict)
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """One aggregation of the request.

    Parameters
    ----------
    others : documents in buckets that were left out.
    """

    name: str
    rows: tuple[Row, ...]
    others: int = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all figures, in the order they are met."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.metrics))

    @property
    def bucketed(self) -> bool:
        """Whether any row counts documents."""
        return any(row.count is not None for row in self.rows)


def tables(aggregations: Mapping[str, Any]) -> tuple[Table, ...]:
    """A table for each aggregation of a response's ``aggregations``."""
    return tuple(_table(name, answer) for name, answer in aggregations.items())


def _table(name: str, answer: Mapping[str, Any]) -> Table:
    if not _has_buckets(answer):
        # Named above the table already.
        return Table(name, tuple(_rows(0, "" if "doc_count" not in answer else name, answer)))
    rows = [row for key, bucket in _buckets(answer) for row in _rows(0, key, bucket)]
    return Table(name, tuple(rows), int(answer.get("sum_other_doc_count") or 0))


def _rows(depth: int, label: str, bucket: Mapping[str, Any]) -> Iterator[Row]:
    """A bucket with what is in it, or figures alone."""
    inner = {k: v for k, v in bucket.items() if isinstance(v, Mapping) and k not in _OWN}
    nested = {k: v for k, v in inner.items() if _has_buckets(v) or "doc_count" in v}
    if "doc_count" in bucket:
        metrics: dict[str, float | str | None] = {}
        for name, answer in inner.items():
            if name not in nested:
                metrics.update(_metrics(name, answer))
        if "score" in bucket:  # of significant terms
            metrics["score"] = bucket["score"]
        yield Row(depth, label, int(bucket["doc_count"]), metrics)
        for name, answer in nested.items():
            yield from _nested(depth + 1, name, answer, named=len(nested) > 1)
    else:
        yield Row(depth, label, None, _metrics("", bucket))


def _nested(depth: int, name: str, answer: Mapping[str, Any], *, named: bool) -> Iterator[Row]:
    if not _has_buckets(answer):
        yield from _rows(depth, name, answer)
        return
    if named:
        yield Row(depth, name, heading=True)
        depth += 1
    for key, bucket in _buckets(answer):
        yield from _rows(depth, key, bucket)


def _has_buckets(answer: Mapping[str, Any]) -> bool:
    return isinstance(answer.get("buckets"), (list, Mapping))


def _buckets(answer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    buckets = answer["buckets"]
    if isinstance(buckets, Mapping):
        yield from ((str(key), bucket) for key, bucket in buckets.items())
        return
    for bucket in buckets:
        yield _key(bucket), bucket


def _key(bucket: Mapping[str, Any]) -> str:
    key = bucket.get("key_as_string", bucket.get("key"))
    if isinstance(key, Mapping):  # of composite
        return ", ".join(f"{name}={value}" for name, value in key.items())
    if isinstance(key, list):
        return ", ".join(map(str, key))
    if isinstance(key, float):
        return f"{key:,.12g}"
    return str(key)


def _metrics(name: str, answer: Mapping[str, Any]) -> dict[str, float | str | None]:
    """Figures by name; those of one aggregation begin with its name."""
    if isinstance(answer.get("hits"), Mapping):  # top_hits
        hits = answer["hits"].get("hits", [])[:_MOST_HITS]
        return {name or "hits": ", ".join(str(hit.get("_id")) for hit in hits)}
    if "value" in answer:
        value = answer.get("value_as_string", answer["value"])
        return {name or "value": value if _plain(value) else json.dumps(value)}
    if isinstance(answer.get("values"), (Mapping, list)):  # percentiles
        values = answer["values"]
        pairs = (
            values.items()
            if isinstance(values, Mapping)
            else ((each["key"], each.get("value")) for each in values)
        )
        return {
            f"{name} {_percent(key)}".strip(): value
            for key, value in pairs
            if not str(key).endswith("_as_string")
        }
    found: dict[str, float | str | None] = {}
    for key, value in answer.items():
        if key == "meta" or key.endswith("_as_string"):
            continue
        shown = answer.get(f"{key}_as_string", value)
        found[f"{name} {key}".strip()] = shown if _plain(shown) else json.dumps(shown)
    return found


def _percent(key: Any) -> str:
    try:
        return f"p{float(key):g}"
    except ValueError:
        return str(key)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, str))
