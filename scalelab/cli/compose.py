"""compose: a topology as a standard Compose file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scalelab.cli import options, output
from scalelab.errors import EnvironmentLacks


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(compose)


def compose(
    topology: Annotated[
        str, typer.Argument(help="Which topology.", autocompletion=options.complete_topology)
    ],
    param: options.Params = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here; default: stdout.")
    ] = None,
) -> None:
    """Write a Compose file that brings the same topology up without scalelab."""
    from scalelab import catalog
    from scalelab.runtimes import compose as export

    wanted = catalog.topology(topology, options.params(param))
    budget = options.budget(cpus, memory, usual=catalog.topologies[topology].budget)
    text = export.document(wanted, catalog.services.__getitem__, budget)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentLacks(
            f"{file} cannot be written: {error.strerror}", "name another file with --output"
        ) from None
    output.note(f"written: {file}; use it with: docker-compose -f {file} up")
