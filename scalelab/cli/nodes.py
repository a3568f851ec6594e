"""url, logs, shell: one node of a cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from scalelab.cli import config, options, output
from scalelab.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(url)
    app.command()(logs)
    app.command(context_settings={"ignore_unknown_options": True})(shell)


def url(
    node: options.NodeArgument = None,
    name: options.Name = None,
    export: Annotated[
        bool, typer.Option("--export", help="As lines for a shell: eval $(scalelab url --export).")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print connection strings, passwords included."""
    from scalelab import catalog

    clusters = config.clusters()
    cluster = clusters.find(name)
    cluster = cluster.seen()
    places = [clusters.place(cluster, node)] if node else list(cluster.places.values())
    urls = {p.node.name: catalog.services[p.node.service].url(p, secret=True) for p in places}
    if json:
        output.document("scalelab.url", 1, {"cluster": cluster.name, "urls": urls})
        return
    for key, value in urls.items():
        if export:
            variable = f"{cluster.name}_{key}_url".replace("-", "_").upper()
            variable = variable if variable[0].isalpha() else f"_{variable}"
            print(f"export {variable}='{value}'")
        else:
            print(value if node else f"{key}\t{value}")


def logs(
    node: options.NodeArgument = None,
    name: options.Name = None,
    lines: Annotated[int, typer.Option("--lines", "-l", min=0, help="How many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones.")] = False,
) -> None:
    """Print the end of a node's log."""
    clusters = config.clusters()
    cluster = clusters.find(name)
    place = clusters.place(cluster, node)
    try:
        for line in clusters.runtime(cluster.runtime).logs(place, lines, follow=follow):
            print(line, flush=follow)
    except FileNotFoundError:
        raise UsageError(f"{place.node.name} has no log yet", "scalelab status") from None
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # the usual way to end --follow: nothing to report


def shell(
    node: options.NodeArgument = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to the client, after --.")
    ] = None,
    name: options.Name = None,
) -> None:
    """Open a node's own client: psql, or the cache's."""
    clusters = config.clusters()
    cluster = clusters.find(name).seen()
    place = clusters.place(cluster, node)
    if cluster.runtime == "docker" and any(
        r.link == f"client--{place.node.name}" for r in cluster.routes
    ):
        output.note("this client runs in the node's container: the fault of its link is not here")
    if place.node.service == "redis" and not _has_client(cluster):
        from scalelab.cli import redis_shell

        redis_shell.run(place, arguments or [])
        return
    command, environment = clusters.runtime(cluster.runtime).client(place)
    if command[0] == "psql" and not shutil.which("less") and "PAGER" not in environment:
        environment["PAGER"] = "cat"
    sys.stdout.flush()
    sys.exit(_hand_over([*command, *(arguments or [])], {**os.environ, **environment}))


def _hand_over(command: list[str], environment: dict[str, str]) -> int:
    # The client answers Ctrl-C itself (it ends a query); it must not end this command as well.
    # Not SIG_IGN: the client would inherit that.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        done = subprocess.run(command, env=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _has_client(cluster: Cluster) -> bool:
    # The pip-installed cache server comes without its client; a container has its own.
    return cluster.runtime == "docker" or any(map(shutil.which, ("valkey-cli", "redis-cli")))
