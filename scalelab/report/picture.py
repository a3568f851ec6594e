"""A topology as a picture in the terminal. Pure: nodes in, a renderable out.

Clients are on top, every node is a box with its name, service and role, and an arrow below leads
from a node to those that follow it. Topologies stand side by side where the terminal is wide
enough, one below the other where it is not. Where a row of boxes does not fit, nodes that are alike
share one; where that does not fit either, the picture is a tree in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from scalelab.model import Node, Topology

_GAP = 4
_CLIENTS = "clients"
# Which sides of a cell a line leaves by; a character for each set of them.
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = " │││─┘┐┤─└┌├─┴┬┼"
_ASCII_LINES = " |||-+++-+++-+++"


@dataclass(frozen=True)
class Scene:
    """One topology of a picture.

    Parameters
    ----------
    title : above it, such as the variant's name.
    caption : in small under the title.
    """

    title: str
    topology: Topology
    caption: str = ""


@dataclass(frozen=True)
class _Box:
    """One node, or several alike.

    Parameters
    ----------
    names : of the nodes it stands for.
    """

    names: tuple[str, ...]
    lines: tuple[str, ...]
    follows: str | None

    @property
    def width(self) -> int:
        return max(map(cell_len, self.lines)) + 4


class Picture:
    """Some topologies, drawn for whatever terminal they are printed on.

    Parameters
    ----------
    scenes : in the order they are shown.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = tuple(scenes)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, ascii_only = options.max_width, options.ascii_only
        drawn = [_drawing(scene.topology, width, ascii_only) for scene in self._scenes]
        for words in (False, True):
            widths = [
                max(_width(picture), cell_len(scene.title), _longest(scene.caption, words))
                for picture, scene in zip(drawn, self._scenes, strict=True)
            ]
            if sum(widths) + _GAP * (len(widths) - 1) <= width:
                yield _beside(self._scenes, drawn, widths)
                return
        for number, (scene, picture) in enumerate(zip(self._scenes, drawn, strict=True)):
            yield Group(*([Text()] if number else []), *_heading(scene), picture)


def _longest(caption: str, words: bool) -> int:
    """The columns a caption takes, in one line or (``words``) broken into several."""
    return max(map(cell_len, caption.split() if words else [caption]), default=0)


def _heading(scene: Scene) -> list[Text]:
    lines = [Text(scene.title, style="bold"), Text(scene.caption, style="dim")]
    return [line for line in lines if line]


def _beside(
    scenes: Sequence[Scene], drawn: Sequence[RenderableType], widths: Sequence[int]
) -> Table:
    row = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    for width in widths:
        row.add_column(width=width, vertical="bottom")
    row.add_row(*(Text(scene.title, style="bold") for scene in scenes))
    if any(scene.caption for scene in scenes):
        row.add_row(*(Text(scene.caption, style="dim") for scene in scenes))
    row.add_row(*drawn)
    return row


def _width(picture: RenderableType) -> int:
    """The columns a drawing takes; a tree takes a line of its own."""
    return max(map(cell_len, picture.plain.splitlines())) if isinstance(picture, Text) else 10_000


def _drawing(topology: Topology, width: int, ascii_only: bool) -> RenderableType:
    nodes = list(_ordered(topology.nodes))
    for boxes in ([_box([node]) for node in nodes], list(_alike(nodes))):
        if sum(box.width for box in boxes) + len(boxes) - 1 <= width:
            return _draw(boxes, ascii_only)
    return _tree(nodes)


def _ordered(nodes: Sequence[Node], leader: str | None = None) -> Iterator[Node]:
    """Every node with its followers behind it, so that no line crosses another group's."""
    for node in nodes:
        if node.follows == leader:
            yield node
            yield from _ordered(nodes, node.name)


def _box(nodes: Sequence[Node]) -> _Box:
    first, names = nodes[0], tuple(node.name for node in nodes)
    if len(nodes) == 1:
        return _Box(names, (first.name, first.service, first.role), first.follows)
    lines = (f"{names[0]}..{names[-1]}", f"{len(nodes)} x {first.service}", first.role)
    return _Box(names, lines, first.follows)


def _alike(nodes: Sequence[Node]) -> Iterator[_Box]:
    """Neighbours of the same service, role and leader in one box, unless one is followed."""
    followed = {node.follows for node in nodes}
    group: list[Node] = []
    for node in nodes:
        kind = (node.service, node.role, node.follows)
        first = group[0] if group else None
        same = first is not None and kind == (first.service, first.role, first.follows)
        if group and (not same or node.name in followed or group[-1].name in followed):
            yield _box(group)
            group = []
        group.append(node)
    if group:
        yield _box(group)


class _Canvas:
    """Lines that know their directions, so that where they meet is drawn as a joint; and text."""

    def __init__(self, width: int, height: int) -> None:
        self._sides = [[0] * width for _ in range(height)]
        self._letters: dict[tuple[int, int], str] = {}

    def across(self, row: int, left: int, right: int) -> None:
        for column in range(left, right):
            self._sides[row][column] |= _RIGHT
            self._sides[row][column + 1] |= _LEFT

    def down(self, column: int, top: int, bottom: int) -> None:
        for row in range(top, bottom):
            self._sides[row][column] |= _DOWN
            self._sides[row + 1][column] |= _UP

    def write(self, row: int, column: int, text: str) -> None:
        for offset, letter in enumerate(text):
            self._letters[row, column + offset] = letter

    def lines(self, ascii_only: bool) -> Iterator[str]:
        drawn = _ASCII_LINES if ascii_only else _LINES
        for row, sides in enumerate(self._sides):
            letters = (
                self._letters.get((row, column), drawn[side]) for column, side in enumerate(sides)
            )
            yield "".join(letters).rstrip()


def _draw(boxes: Sequence[_Box], ascii_only: bool) -> Text:
    """Clients, a bus down to every box, the boxes, and below a bus a leader to its followers."""
    lefts, left = [], 0
    for box in boxes:
        lefts.append(left)
        left += box.width + 1
    width = max(left - 1, len(_CLIENTS))
    shift = (width - left + 1) // 2
    lefts = [each + shift for each in lefts]
    middles = [at + box.width // 2 for at, box in zip(lefts, boxes, strict=True)]
    leaders = [box for box in boxes if any(other.follows in box.names for other in boxes)]
    top, bottom = (3, 7)
    canvas = _Canvas(width, bottom + 1 + len(leaders))
    centre = (middles[0] + middles[-1]) // 2
    canvas.write(0, max(0, min(centre - len(_CLIENTS) // 2, width - len(_CLIENTS))), _CLIENTS)
    canvas.down(centre, 1, 2)
    canvas.across(2, min(middles), max(middles))
    for at, middle, box in zip(lefts, middles, boxes, strict=True):
        canvas.down(middle, 2, top)
        right = at + box.width - 1
        for row in (top, bottom):
            canvas.across(row, at, right)
        for column in (at, right):
            canvas.down(column, top, bottom)
        for number, line in enumerate(box.lines):
            canvas.write(top + 1 + number, at + 2, line)
    for number, leader in enumerate(leaders):
        _lead(canvas, boxes, middles, leader, bottom, bottom + 1 + number, ascii_only)
    return Text("\n".join(canvas.lines(ascii_only)), no_wrap=True)


def _lead(
    canvas: _Canvas,
    boxes: Sequence[_Box],
    middles: Sequence[int],
    leader: _Box,
    bottom: int,
    row: int,
    ascii_only: bool,
) -> None:
    """The line from a box down and to those that follow it, with a point at their end."""
    ends = [
        # A box that follows and is followed has its two lines apart.
        middle - (2 if _leads(boxes, box) else 0)
        for box, middle in zip(boxes, middles, strict=True)
        if box.follows in leader.names
    ]
    start = middles[boxes.index(leader)]
    canvas.down(start, bottom, row)
    canvas.across(row, min(start, *ends), max(start, *ends))
    for end in ends:
        canvas.down(end, bottom, row)
        canvas.write(bottom, end, "^" if ascii_only else "▲")


def _leads(boxes: Sequence[_Box], box: _Box) -> bool:
    return any(other.follows in box.names for other in boxes)


def _tree(nodes: Sequence[Node]) -> Tree:
    """The same in words, for terminals narrower than any box."""
    root = Tree(Text(_CLIENTS))
    branches: dict[str, Tree] = {}
    for node in nodes:
        parent = branches[node.follows] if node.follows else root
        said = f"{node.name} ({node.service}, {node.role}"
        said += f", follows {node.follows})" if node.follows else ")"
        branches[node.name] = parent.add(Text(said))
    return root
