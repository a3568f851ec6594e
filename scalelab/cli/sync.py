"""sync compare, repair, rebuild: both sides of a `hybrid` cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from scalelab.cli import config, options, output
from scalelab.errors import CheckFailed, EnvironmentLacks, RequestFailed, UsageError

if TYPE_CHECKING:
    import psycopg

    from scalelab.model import Cluster
    from scalelab.syncing.index import Index

_SHOWN = 10
_INDEX = "items"
sync = typer.Typer(
    help="Compare the table and the index of a `hybrid` cluster, and make the index as it must be.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    sync.command()(compare)
    sync.command()(repair)
    sync.command()(rebuild)
    app.add_typer(sync, name="sync")


def compare(name: options.Name = None, json: options.Json = False) -> None:
    """Compare every row with its document; exit code 1 where they differ."""
    from scalelab.syncing import compare as comparing

    with _sides(config.clusters().find(name)) as (connection, index):
        found = comparing.compare(connection, index, _INDEX)
    if json:
        output.document(
            "scalelab.sync",
            1,
            {
                "rows": found.rows,
                "documents": found.documents,
                "checksums": {"table": found.checksums[0], "index": found.checksums[1]},
                "missing": list(found.missing),
                "extra": sorted(found.extra),
                "different": list(found.different),
            },
        )
    else:
        print(f"table  {found.rows:>9,} rows       {found.checksums[0][:16]}")
        print(f"index  {found.documents:>9,} documents  {found.checksums[1][:16]}")
        for what, ids in (
            ("rows are not in the index", found.missing),
            ("documents have no row", sorted(found.extra)),
            ("rows differ from their documents", found.different),
        ):
            if ids:
                listed = ", ".join(map(str, ids[:_SHOWN])) + (", …" if len(ids) > _SHOWN else "")
                print(f"{len(ids):,} {what}: {listed}")
    if found.divergent:
        raise CheckFailed(
            f"both sides differ in {len(found.divergent):,} places",
            "a running syncer may still catch up; if not: scalelab sync repair",
        )


def repair(name: options.Name = None) -> None:
    """Make the index as the table is: write what differs, delete what has no row."""
    from scalelab.syncing import compare as comparing

    with _sides(config.clusters().find(name)) as (connection, index):
        count = comparing.repair(connection, index, _INDEX)
    print(f"{count:,} documents repaired")


def rebuild(name: options.Name = None) -> None:
    """Make a new index from the table, while the old one is searched; then it takes its place."""
    from scalelab.syncing import compare as comparing
    from scalelab.syncing import rebuild as rebuilding

    with _sides(config.clusters().find(name)) as (connection, index):
        made = rebuilding.rebuild(connection, index, _INDEX)
        comparing.repair(connection, index, _INDEX)  # what an application wrote by itself
    print(f"{_INDEX} is {made} now")


@contextlib.contextmanager
def _sides(cluster: Cluster) -> Iterator[tuple[psycopg.Connection, Index]]:
    """A session with the database and one with the index; errors are those of scalelab.

    Raises
    ------
    UsageError : it has not both, or there is no table yet.
    EnvironmentLacks : one of them does not answer.
    """
    import psycopg

    from scalelab.syncing import source
    from scalelab.syncing.config import server
    from scalelab.syncing.index import Index

    places = {place.node.service: place for place in cluster.seen().places.values()}
    if not {"postgres", "elasticsearch"} <= set(places):
        raise UsageError(f"{cluster.name} has not both sides", "scalelab up hybrid")
    try:
        with (
            source.connect(server(places["postgres"])) as connection,
            Index(server(places["elasticsearch"])) as index,
        ):
            yield connection, index
    except psycopg.errors.UndefinedTable:
        raise UsageError(
            f"{cluster.name} has no table to be searched yet", "scalelab bench hybrid makes it"
        ) from None
    except psycopg.Error as error:
        raise EnvironmentLacks(
            f"the database failed: {str(error).splitlines()[0]}", "scalelab status"
        ) from None
    except RequestFailed as failure:
        if failure.lost:
            raise EnvironmentLacks(f"{failure.kind}: {failure}", "scalelab status") from None
        raise CheckFailed(f"{failure.kind}: {failure}", "scalelab sync rebuild") from None
