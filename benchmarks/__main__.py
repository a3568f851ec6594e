"""Every benchmark: ``python -m benchmarks``. Prints a table and writes ``results.json``."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import aa, hotloop, memory, startup


def main() -> int:
    """Run them all; 1 when a target is missed, or a peer is missing."""
    progress = Console(stderr=True)
    rows = []
    for row in itertools.chain(startup.rows(), memory.rows(), hotloop.rows(), aa.rows()):
        progress.print(f"[dim]{row['name']}[/]")
        rows.append(row)
    table = Table("benchmark", box=None, pad_edge=False)
    for heading in ("ours", "peer", "unit", "ratio", "target"):
        table.add_column(heading, justify="right")
    for row in rows:
        mark = "[green]✓[/]" if row["ok"] else "[red]✗[/]"
        figures = [_figure(row[key]) for key in ("ours", "peer", "unit", "ratio", "target")]
        table.add_row(f"{mark} {row['name']}", *figures)
    Console().print(table)
    Path(__file__).with_name("results.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in rows) else 1


def _figure(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
