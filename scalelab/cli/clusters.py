"""up, down, status, start, stop, promote: whole clusters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output
from scalelab.cli.faults import fault_document, fault_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

    from scalelab.cluster import Clusters, Failover, NodeReport
    from scalelab.model import Budget, Cluster

_LONGEST_LINE = 200
_STYLES = {"running": "green", "stopped": "yellow", "paused": "yellow", "exited": "red"}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down, status, start, stop, promote):
        app.command()(command)


def up(
    topology: Annotated[
        str, typer.Argument(help="Which topology.", autocompletion=options.complete_topology)
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", envvar="SCALELAB_NAME", help="Default: the topology's name."),
    ] = None,
    runtime: options.Runtime = "auto",
    param: options.Params = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    disk: options.Disk = options.DEFAULT_DISK,
    json: options.Json = False,
) -> None:
    """Bring a topology up and wait until every node answers a real query."""
    from scalelab import catalog

    wanted = catalog.topology(topology, options.params(param))
    name = options.cluster_name(name or topology)
    usual = catalog.topologies[topology].budget
    budget = options.budget(cpus, memory, disk, usual=usual)
    clusters = config.clusters()
    chosen = _runtime_of(clusters, name, runtime) or config.choose_runtime(runtime, [wanted])
    if runtime == "auto":
        output.note(f"runtime: {chosen[0]} ({chosen[1]})")
    began = time.monotonic()
    with output.stderr().status(f"bringing {name} up …"):
        cluster = clusters.up(name, wanted, chosen[0], budget)
        reports = clusters.observe(cluster)
    if json:
        output.document("scalelab.up", 1, _document(cluster, reports))
        return
    _print_up(cluster, reports, time.monotonic() - began)


def down(
    name: options.Name = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything scalelab ever made, by ledger and by label.")
    ] = False,
) -> None:
    """Take a cluster down and remove all it made."""
    clusters = config.clusters()
    if everything:
        runtimes = ["local", *_docker_if_it_answers()]
        for line in clusters.down_all(runtimes) or ["nothing was up"]:
            output.stdout().print(line, markup=False)
        return
    found = clusters.find(name)
    clusters.down(found.name)
    output.stdout().print(f"{found.name} is down")
    for line in config.heal_due():
        output.note(line)


def status(name: options.Name = None, json: options.Json = False) -> None:
    """Show every cluster's nodes as they are now, and which faults are on."""
    clusters = config.clusters()
    found, damaged = clusters.all()
    if name is not None:
        found, damaged = [clusters.find(name)], []
    for error in damaged:
        output.note(f"{error.message}; {error.hint}")
    reports = {cluster.name: clusters.observe(cluster) for cluster in found}
    if json:
        output.document(
            "scalelab.status",
            1,
            {
                "clusters": [_document(cluster, reports[cluster.name]) for cluster in found],
                "damaged": [error.message for error in damaged],
            },
        )
        return
    if not found:
        output.stdout().print("no cluster is up; bring one up: scalelab up replication")
    for cluster in found:
        _print_status(cluster, reports[cluster.name])


def start(nodes: options.NodesArgument = None, name: options.Name = None) -> None:
    """Start nodes that do not run, with their data and their ports."""
    clusters = config.clusters()
    with output.stderr().status("starting …"):
        cluster = clusters.start(name, nodes or ())
    _print_status(cluster, clusters.observe(cluster))


def stop(
    nodes: options.NodesArgument = None,
    name: options.Name = None,
    kill: Annotated[
        bool, typer.Option("--kill", help="End it like a power cut, not cleanly.")
    ] = False,
) -> None:
    """Stop nodes; their data and ports are kept."""
    clusters = config.clusters()
    with output.stderr().status("stopping …"):
        cluster = clusters.stop(name, nodes or (), kill=kill)
    _print_status(cluster, clusters.observe(cluster))


def promote(
    node: Annotated[
        str, typer.Argument(help="Which replica.", autocompletion=options.complete_node)
    ],
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Have a replica take its primary's place; the primary comes back as its replica."""
    clusters = config.clusters()
    with output.stderr().status(f"promoting {node} …"):
        cluster, done = clusters.promote(name, node)
        reports = clusters.observe(cluster)
    if json:
        output.document(
            "scalelab.promote",
            1,
            {
                "promoted": done.node,
                "former": done.former,
                "handed_over": done.clean,
                "without_leader_s": done.took_s,
                "cluster": _document(cluster, reports),
            },
        )
        return
    output.stdout().print(_promoted(done), markup=False)
    _print_status(cluster, reports)


def _promoted(done: Failover) -> str:
    if done.former is None:
        return f"{done.node} leads already"
    how = (
        f"{done.former} had handed over everything it had"
        if done.clean
        else f"{done.former} was down: what it alone had acknowledged is lost"
    )
    return (
        f"{done.node} leads now, {done.took_s:.2f} s after {done.former} had ended; {how}; "
        f"it follows {done.node} now"
    )


def _runtime_of(clusters: Clusters, name: str, wanted: str) -> tuple[str, str] | None:
    # "auto" must not mean another runtime than the one a cluster is up on already.
    if wanted == "auto":
        for cluster in clusters.all()[0]:
            if cluster.name == name:
                return cluster.runtime, "it is up there"
    return None


def _docker_if_it_answers() -> list[str]:
    if not config.docker_is_likely():
        return []
    from scalelab.errors import EnvironmentLacks
    from scalelab.runtimes.daemon import connect

    try:
        connect().close()
    except EnvironmentLacks as error:
        output.note(f"containers are not looked for: {error.message}")
        return []
    return ["docker"]


# --- showing -------------------------------------------------------------------------------------


def budget_text(budget: Budget) -> str:
    """ "0.20 CPU and 256 MB", and a node's own disk where it has one."""
    cpus = "no CPU limit" if budget.cpus is None else f"{budget.cpus:.2f} CPU"
    memory = "no memory limit" if budget.memory is None else output.size(budget.memory)
    if budget.disk is None:
        return f"{cpus} and {memory}"
    return f"{cpus}, {memory} and a disk of {output.size(budget.disk)} in memory"


def _print_up(cluster: Cluster, reports: list[NodeReport], took_s: float) -> None:
    from rich.console import Console
    from rich.markup import escape

    console, count = output.stdout(), len(reports)
    nodes = "1 node" if count == 1 else f"{count} nodes"
    each = f"{nodes} at {budget_text(cluster.budget)}"
    console.print(
        f"[bold]{escape(cluster.name)}[/] is up in {took_s:.1f} s ({cluster.runtime}, {each})",
        soft_wrap=True,
    )
    if not cluster.budgeted:
        output.note("budgets cannot be enforced here: every node may use the whole machine")
    width = max(len(report.place.node.name) for report in reports)
    # A tree is cut off at the console's width; an address must stay whole to be copied.
    wide = Console(width=max(console.width, _LONGEST_LINE), highlight=False)
    for root in _trees(reports, width):
        wide.print(root, soft_wrap=True)
    which = "" if cluster.name == cluster.topology.name else f" --name {cluster.name}"
    console.print(f"stop it with: scalelab down{which}", soft_wrap=True)


def _trees(reports: list[NodeReport], width: int) -> list[Tree]:
    from rich.tree import Tree

    trees: dict[str, Tree] = {}
    roots = []
    # Who leads need not come first where the servers decide it.
    for report in sorted(reports, key=lambda report: report.follows is not None):
        name, leader = report.place.node.name, trees.get(report.follows or "")
        indent = 4 if leader is None else 0
        text = f"{name:<{width + indent}}  {_address(report)}   {_copying(report)}".rstrip()
        if leader is None:
            trees[name] = Tree(text, highlight=False)
            roots.append(trees[name])
        else:
            trees[name] = leader.add(text)
    return roots


def _address(report: NodeReport) -> str:
    from scalelab import catalog

    return catalog.services[report.place.node.service].url(report.place)


def _copying(report: NodeReport) -> str:
    if report.state.state != "running":
        return report.state.state
    if "replication" not in report.facts:
        return ""
    behind = report.facts.get("lag_bytes")
    text = str(report.facts["replication"])
    if report.facts.get("synchronous"):
        text += ", synchronous"
    return text if behind is None else f"{text}, {behind} bytes behind"


def _print_status(cluster: Cluster, reports: list[NodeReport]) -> None:
    at = f"{cluster.runtime}, {budget_text(cluster.budget)} a node"
    if cluster.phase != "up":
        at = f"{cluster.phase}, {at}"
    output.stdout().print(f"[bold]{cluster.name}[/] · {cluster.topology.name} · {at}")
    output.stdout().print(_fitting(reports, output.stdout()))
    exited = [r.place.node.name for r in reports if r.state.state == "exited"]
    if exited and cluster.phase == "up":
        output.note(f"ended by itself or from outside: {', '.join(exited)}; scalelab start")
    for report in reports:
        if problem := report.facts.get("problem"):
            said = f"{report.place.node.name}: {problem}"
            output.stdout().print(said, style="yellow", markup=False, highlight=False)
    for fault in cluster.faults:
        output.stdout().print(f"fault {fault_text(fault)}", style="yellow", markup=False)


def _fitting(reports: list[NodeReport], console: Console) -> Table:
    """The table with as many columns as the terminal has room for, the least missed left out."""
    from rich.measure import Measurement

    wide, columns = console.options.update(width=10_000), dict(_columns(reports))
    for header in ("role", "uptime", "memory", ""):
        table = _table(columns)
        if Measurement.get(console, wide, table).maximum <= console.width:
            break
        columns.pop(header, None)
    return table


def _columns(reports: list[NodeReport]) -> Iterator[tuple[str, list[str]]]:
    yield "node", [report.place.node.name for report in reports]
    yield "role", [report.role for report in reports]
    yield "address", [str(report.place.client) for report in reports]
    states = [report.state.state for report in reports]
    yield "state", [f"[{_STYLES.get(state, 'red')}]{state}[/]" for state in states]
    yield "uptime", [output.duration(report.state.uptime_s) for report in reports]
    yield "memory", [output.size(report.memory) for report in reports]
    if any(report.follows or "lag_ms" in report.facts for report in reports):
        yield "lag", [_lag(report) for report in reports]


def _table(columns: Mapping[str, list[str]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in columns:
        right = heading in ("uptime", "memory", "lag")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _lag(report: NodeReport) -> str:
    facts = report.facts
    if "lag_bytes" in facts:
        lag = f"{output.size(int(facts['lag_bytes']))}, {facts['lag_ms']:.0f} ms"
        return f"{lag}, synchronous" if facts.get("synchronous") else lag
    if "lag_ms" in facts:
        return f"{facts['lag_ms']:.0f} ms"
    return str(facts.get("replication", ""))


def _document(cluster: Cluster, reports: list[NodeReport]) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "topology": cluster.topology.name,
        "params": dict(cluster.topology.params),
        "runtime": cluster.runtime,
        "phase": cluster.phase,
        "budget": {
            "cpus": cluster.budget.cpus,
            "memory_bytes": cluster.budget.memory,
            "disk_bytes": cluster.budget.disk,
            "enforced": cluster.budgeted,
        },
        "nodes": [
            {
                "name": report.place.node.name,
                "service": report.place.node.service,
                "role": report.role,
                "follows": report.follows,
                "url": _address(report),
                "state": report.state.state,
                "uptime_s": report.state.uptime_s,
                "memory_bytes": report.memory,
                **report.facts,
            }
            for report in reports
        ],
        "faults": [fault_document(fault) for fault in cluster.faults],
    }
