"""lab: the course and its labs, and what is done with a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from scalelab.cli import lab_new, lab_run, lab_show, lab_verify, options, output

if TYPE_CHECKING:
    from rich.table import Table

    from scalelab.course import Module, Topic

_STYLES = {"ready": "green", "planned": "dim", "broken": "red"}


def register(app: typer.Typer) -> None:
    """Add this module's command group."""
    group = typer.Typer(no_args_is_help=True, help="The course: its labs, and labs of your own.")
    group.command("list")(list_labs)
    group.command()(lab_show.show)
    group.command()(lab_run.run)
    group.command()(lab_verify.verify)
    group.command()(lab_new.new)
    app.add_typer(group, name="lab")


def list_labs(json: options.Json = False) -> None:
    """List the course in its order, then your own labs."""
    from scalelab import course

    modules = course.modules()
    if json:
        rows = [{"title": m.title, "labs": [_row(topic) for topic in m.topics]} for m in modules]
        output.document("scalelab.labs", 1, {"modules": rows})
        return
    _print(modules)


def _row(topic: Topic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "title": topic.title,
        "question": topic.lab.question if topic.lab else None,
        "state": topic.state,
        "folder": str(topic.folder) if topic.folder else None,
        "problem": topic.problem.message if topic.problem else None,
    }


def _print(modules: tuple[Module, ...]) -> None:
    from rich.text import Text

    console = output.stdout()
    width = max(len(topic.name) for module in modules for topic in module.topics)
    for number, module in enumerate(modules):
        if number:
            console.print()
        console.print(Text(module.title, style="bold"))
        console.print(_table(module, width))
    console.print()
    console.print(
        Text("a lab's guide: scalelab lab show LAB; run it: scalelab lab run LAB", style="dim")
    )


def _table(module: Module, width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    # A name is there to be typed, and the modules stand in line: both columns have their widths.
    table.add_column(no_wrap=True, width=width)
    table.add_column(no_wrap=True, width=max(map(len, _STYLES)))
    table.add_column(overflow="fold")
    for topic in module.topics:
        said = Text(topic.title)
        if topic.lab:
            said.append(f"\n{topic.lab.question}", "dim")
        if topic.problem:
            said.append(f"\n{topic.problem.message}", "red")
        table.add_row(Text(topic.name), Text(topic.state, _STYLES[topic.state]), said)
    return table
