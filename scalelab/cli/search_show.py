"""How answers of a search look in a terminal. Pure: nothing is asked, nothing printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from scalelab.report import words
from scalelab.search.elastic_query import CLOSE, OPEN

if TYPE_CHECKING:
    from scalelab.search.answer import Answer, Count, Hit
    from scalelab.search.asking import Comparison
    from scalelab.search.question import Question

ENGINES = {"es": "Elasticsearch", "postgres": "PostgreSQL"}

MATCH = "bold yellow"

_BAR = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"


def answer(found: Answer, asked: Question, index: str) -> Group:
    """One engine's answer: what there is in all, the hits, and what else was asked for."""
    parts: list[RenderableType] = [heading(found, asked, index)]
    if found.hits:
        parts.append(hits(found.hits, asked.skip))
    parts += [facet(name, counts) for name, counts in found.facets.items() if counts]
    if asked.explain:
        parts += [explained(asked.skip + i, hit) for i, hit in enumerate(found.hits, 1)]
    if found.profile:
        parts.append(profiled(found))
    parts += [Text(note, style="yellow") for note in found.notes]
    return spaced(parts)


def both(answers: Sequence[Answer], comparison: Comparison, asked: Question, index: str) -> Group:
    """Two engines' answers side by side, and how alike they are."""
    parts: list[RenderableType] = [
        Text.assemble((asked.words or "everything", "bold"), (f" in {index}", "dim"))
    ]
    if any(each.hits for each in answers):
        parts.append(_ranks(answers, asked))
    for each in answers:
        parts += [
            facet(f"{name} · {ENGINES[each.engine]}", counts)
            for name, counts in each.facets.items()
            if counts
        ]
    for each in answers:
        if asked.explain:
            parts += [explained(asked.skip + i, hit) for i, hit in enumerate(each.hits, 1)]
        if each.profile:
            parts.append(profiled(each))
        parts += [Text(note, style="yellow") for note in each.notes]
    parts += [_figures(answers, comparison), _agreement(comparison)]
    return spaced(parts)


def heading(found: Answer, asked: Question, index: str) -> Text:
    """Which hits of how many, and how long it took."""
    if not found.total:
        said = "nothing found"
    elif not found.hits:
        pages = -(-found.total // asked.size)
        said = f"page {asked.page:,} is beyond the last one, {pages:,}: {found.total:,} hits"
    else:
        first, last = asked.skip + 1, asked.skip + len(found.hits)
        said = f"{first:,}-{last:,} of {found.total:,} hit{'s' * (found.total != 1)}"
    return Text.assemble(
        (said, "bold"),
        (f" in {index} · {ENGINES[found.engine]} took {words.ms(found.took_ms)} ms", "dim"),
    )


def hits(found: Sequence[Hit], skip: int = 0) -> Table:
    """Rank, score, title, and under it the snippet with what matched."""
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(*(Text(name, "dim") for name in ("rank", "score", "title, and what matched")))
    for rank, hit in enumerate(found, skip + 1):
        cell = Text(hit.title, style="bold")
        if hit.id != hit.title:
            cell.append(f"  {hit.id}", "not bold dim")
        if hit.snippet:
            cell.append("\n").append_text(marked(hit.snippet))
        table.add_row(Text(f"{rank:,}"), Text(score(hit.score)), cell)
    return table


def marked(text: str) -> Text:
    """A snippet: what is between ``<em>`` and ``</em>`` stands out."""
    made = Text(style="not bold")
    for i, part in enumerate(text.split(OPEN)):
        inside, closed, after = part.partition(CLOSE)
        if i and closed:
            made.append(inside, MATCH)
            made.append(after)
        else:
            made.append(part)
    return made


def score(value: float | None) -> str:
    """A score with few digits; a dash where something else was sorted by."""
    return "–" if value is None else words.digits(value, 3) if value >= 0 else f"{value:.2f}"


def facet(name: str, counts: Sequence[Count]) -> RenderableType:
    """A field's values as bars."""
    most = max((each.count for each in counts), default=0)
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for each in counts:
        table.add_row(Text(each.value), f"{each.count:,}", bar(each.count, most))
    return Group(Text(name, style="bold"), Padding(table, (0, 0, 0, 2), expand=False))


def bar(count: float, most: float, width: int = _BAR) -> Text:
    """A bar whose length is its share of the longest; what is not nothing has a bar."""
    eighths = round(count / most * width * 8) if most > 0 else 0
    eighths = max(eighths, 1) if count > 0 else 0
    return Text("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip(), style="cyan")


def explained(rank: int, hit: Hit) -> RenderableType:
    """How a hit's score came about, as a tree of products and sums."""
    tree = Tree(Text(f"{rank:,}. {hit.title}", style="bold"), guide_style="dim")
    if hit.explanation:
        _explain(tree, hit.explanation)
    return tree


def profiled(found: Answer) -> Group:
    """Where the time went, the parts below what they are parts of."""
    lines = [Text(f"where {ENGINES[found.engine]}'s time went", style="bold")]
    rows = [
        Padding(Text(said), (0, 0, 0, 2 * depth + 2), expand=False) for depth, said in found.profile
    ]
    return Group(*lines, *rows)


def spaced(parts: Sequence[RenderableType]) -> Group:
    """The parts with an empty line between them."""
    between = (each for part in parts for each in (Text(), part))
    return Group(*list(between)[1:])


def _explain(tree: Tree, part: Mapping[str, Any]) -> None:
    branch = tree.add(
        Text.assemble((f"{part.get('value', 0):.4g}", "cyan"), f"  {part.get('description', '')}")
    )
    for detail in part.get("details", ()):
        _explain(branch, detail)


def _ranks(answers: Sequence[Answer], asked: Question) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("rank", justify="right", style="dim", no_wrap=True)
    for each in answers:
        table.add_column(ENGINES[each.engine], overflow="fold", ratio=1)
    for i in range(max(len(each.hits) for each in answers)):
        cells = [
            _cell(each.hits[i], answers[1 - column]) if i < len(each.hits) else Text("–", "dim")
            for column, each in enumerate(answers)
        ]
        table.add_row(f"{asked.skip + i + 1:,}", *cells)
    return table


def _cell(hit: Hit, other: Answer) -> Text:
    made = Text(hit.title, style="green" if hit.id in other.ids else "")
    return made.append(f"  {score(hit.score)}", "dim")


def _figures(answers: Sequence[Answer], comparison: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("engine")
    table.add_column("hits", justify="right")
    table.add_column("median ms", justify="right")
    for each in answers:
        latency = comparison.latency_ms[each.engine]
        table.add_row(ENGINES[each.engine], f"{each.total:,}", words.ms(latency))
    return table


def _agreement(comparison: Comparison) -> Text:
    tau = comparison.rank_correlation
    order = "–" if tau is None else f"{tau:+.2f}"
    return Text.assemble(
        ("in both", "green"),
        f": {words.share(comparison.overlap_at_10)} of the first ten · "
        f"rank correlation of what both found: {order}",
    )
