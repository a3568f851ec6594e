"""Every benchmark: ``python -m benchmarks``. Prints a table and writes ``results.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import hotloop, startup


def main() -> int:
    """Run them all; 1 when a target is missed."""
    rows = [*startup.rows(), *hotloop.rows()]
    table = Table("benchmark", box=None, pad_edge=False)
    for heading in ("ours", "peer", "unit", "ratio", "target"):
        table.add_column(heading, justify="right")
    for row in rows:
        mark = "[green]✓[/]" if row["ok"] else "[red]✗[/]"
        figures = [
            f"{row[key]:,}" if key != "unit" else row[key] for key in ("ours", "peer", "unit")
        ]
        table.add_row(f"{mark} {row['name']}", *figures, str(row["ratio"]), str(row["target"]))
    Console().print(table)
    Path(__file__).with_name("results.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
