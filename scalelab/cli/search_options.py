"""Options that the commands of ``search`` share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PATIENCE_S = 2.0
ENGINES = ("es", "postgres", "both")


def complete_engine(incomplete: str) -> list[str]:
    """Engines that begin like this."""
    return [name for name in ENGINES if name.startswith(incomplete)]


def complete_index(context: typer.Context, incomplete: str) -> list[str]:
    """Indices of the cluster that begin like this."""
    from scalelab.search import finding

    return [name for name in _asked(context, finding.indices) if name.startswith(incomplete)]


def complete_field(context: typer.Context, incomplete: str) -> list[str]:
    """Fields of the index that begin like this."""
    from scalelab.search import finding

    def fields(client: Elasticsearch) -> list[str]:
        index = context.params.get("index") or os.environ.get("SCALELAB_INDEX")
        return sorted(finding.in_elasticsearch(client, index).types)

    return [name for name in _asked(context, fields) if name.startswith(incomplete)]


def _asked(context: typer.Context, ask: Callable[[Elasticsearch], list[str]]) -> list[str]:
    from scalelab.cli import config
    from scalelab.errors import ScalelabError
    from scalelab.search import asking

    name = context.params.get("name") or os.environ.get("SCALELAB_NAME")
    try:
        cluster = config.clusters().find(name).seen()
        with asking.elasticsearch(cluster.places, _PATIENCE_S) as client:
            return ask(client)
    except ScalelabError:
        return []  # no answer is no offer: a shell has nowhere to say why


Index = Annotated[
    str | None,
    typer.Option(
        "--index",
        "-i",
        envvar="SCALELAB_INDEX",
        help="Which documents. Default: the only ones that were loaded.",
        autocompletion=complete_index,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        "-e",
        envvar="SCALELAB_ENGINE",
        help="es (Elasticsearch), postgres (full-text search), or both, side by side.",
        autocompletion=complete_engine,
    ),
]
