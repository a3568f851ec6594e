"""How the answer to any Query DSL request looks: hits, aggregations, suggestions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from scalelab.cli import search_show
from scalelab.report import words
from scalelab.search import aggregations
from scalelab.search.answer import Answer, Hit, squeeze
from scalelab.search.elastic_engine import hit, notes, profile

if TYPE_CHECKING:
    from scalelab.search.collection import Collection

_INDENT = 2
_LABEL = 24


def response(found: Mapping[str, Any], collection: Collection, asked: Mapping[str, Any]) -> Group:
    """A response in full.

    Parameters
    ----------
    asked : the request: how many hits it skips.
    """
    raw = found.get("hits", {}).get("hits", [])
    listed = [_hit(each, collection) for each in raw]
    parts: list[RenderableType] = [_heading(found, collection, len(raw))]
    skip = asked.get("from", 0)
    if listed:
        parts.append(search_show.hits(listed, skip if isinstance(skip, int) else 0))
    parts += map(_aggregation, aggregations.tables(found.get("aggregations", {})))
    parts += [_suggestion(name, said) for name, said in found.get("suggest", {}).items()]
    parts += [search_show.explained(i, h) for i, h in enumerate(listed, 1) if h.explanation]
    if lines := tuple(profile(found)):
        parts.append(search_show.profiled(Answer("es", 0, 0.0, (), profile=lines)))
    parts += [Text(note, style="yellow") for note in notes(found)]
    return search_show.spaced(parts)


def _heading(found: Mapping[str, Any], collection: Collection, shown: int) -> Text:
    total = found.get("hits", {}).get("total")
    if total is None:
        said = f"{shown} hits shown, not counted"
    else:
        least = "at least " if total.get("relation") == "gte" else ""
        many = "s" * (total["value"] != 1)
        said = f"{least}{total['value']:,} hit{many}, {shown:,} shown"
    took = f" in {collection.name} · Elasticsearch took {words.ms(float(found.get('took', 0)))} ms"
    return Text.assemble((said, "bold"), (took, "dim"))


def _hit(found: Mapping[str, Any], collection: Collection) -> Hit:
    """A hit with all that the request asked to be told of it."""
    made = hit(found, collection)
    lines = list(_said(found))
    if not lines:
        lines = [made.snippet] if made.snippet else []
    return Hit(made.id, made.score, made.title, "\n".join(lines), made.source, made.explanation)


def _said(found: Mapping[str, Any]) -> Iterator[str]:
    for name, fragments in found.get("highlight", {}).items():
        yield f"{name}: {squeeze(' … '.join(fragments), 400)}"
    for name, values in found.get("fields", {}).items():
        yield f"{name}: {squeeze(', '.join(map(str, values)))}"
    for name, inner in found.get("inner_hits", {}).items():
        for each in inner["hits"]["hits"]:
            yield f"{name}: {squeeze(str(each.get('_source', each.get('_id'))))}"
    if matched := found.get("matched_queries"):
        yield f"matched: {', '.join(matched)}"
    if "_source" in found and not isinstance(found.get("_score"), (int, float)) and "sort" in found:
        yield f"sorted by: {', '.join(map(str, found['sort']))}"


def _aggregation(table: aggregations.Table) -> RenderableType:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    made.add_column("", overflow="fold", min_width=_least(table))
    if table.bucketed:
        made.add_column("count", justify="right", no_wrap=True)
    names = table.metrics
    for name in names:
        texts = any(isinstance(row.metrics.get(name), str) for row in table.rows)
        made.add_column(name, justify="left" if texts else "right", overflow="fold")
    most = _most(table)
    if table.bucketed:
        made.add_column("", no_wrap=True)
    for row in table.rows:
        label = Text(" " * _INDENT * row.depth + row.label, "italic dim" if row.heading else "")
        cells: list[RenderableType] = [label]
        if table.bucketed:
            cells.append("" if row.count is None else f"{row.count:,}")
        cells += [
            _figure(row.metrics[name]) if name in row.metrics else "" for name in table.metrics
        ]
        if table.bucketed and row.count is not None:
            cells.append(search_show.bar(row.count, most.get(row.depth, 0), 16))
        made.add_row(*cells)
    parts: list[RenderableType] = [Text(table.name, style="bold")]
    parts.append(
        Padding(made if table.rows else Text("no buckets", "dim"), (0, 0, 0, _INDENT), expand=False)
    )
    if table.others:
        parts.append(
            Padding(
                Text(f"{table.others:,} more in other buckets", "dim"), (0, 0, 0, 2), expand=False
            )
        )
    return Group(*parts)


def _least(table: aggregations.Table) -> int:
    """How wide the labels are: measuring them beside an empty column takes some of it away."""
    return min(_LABEL, max((2 * row.depth + len(row.label) for row in table.rows), default=0))


def _most(table: aggregations.Table) -> dict[int, int]:
    """The largest bucket of each depth: bars are compared with those beside them."""
    found: dict[int, int] = {}
    for row in table.rows:
        found[row.depth] = max(found.get(row.depth, 0), row.count or 0)
    return found


def _figure(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"


def _suggestion(name: str, said: list[Mapping[str, Any]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for each in said:
        found = [_option(option) for option in each["options"]]
        table.add_row(Text(each["text"], "dim"), Text(", ".join(found) or "–"))
    return Group(
        Text(f"{name}: did you mean", style="bold"),
        Padding(table, (0, 0, 0, _INDENT), expand=False),
    )


def _option(option: Mapping[str, Any]) -> str:
    score = option.get("score", option.get("_score"))
    figures = [words.digits(score, 2)] if isinstance(score, (int, float)) else []
    if "freq" in option:
        figures.append(f"in {option['freq']}")
    return f"{option['text']} ({', '.join(figures)})" if figures else str(option["text"])
