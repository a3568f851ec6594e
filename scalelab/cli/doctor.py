"""doctor: what can run here, and how to get what is missing."""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import typer

from scalelab.cli import config, options, output
from scalelab.errors import EnvironmentLacks, ScalelabError


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(doctor)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is usable, what was found, how to get it."""

    what: str
    ok: bool
    found: str
    hint: str = ""


def doctor(json: options.Json = False) -> None:
    """Tell what can run here: runtimes, servers, budgets, memory, disk, Java."""
    findings = [
        *_servers(),
        _java(),
        _elasticsearch(),
        *_mappings(),
        _user(),
        _budgets(),
        _docker(),
        _memory(),
        _disk(),
        _state(),
    ]
    by_name = {finding.what: finding for finding in findings}
    local = all(by_name[name].ok for name in ("postgres", "redis", "unprivileged servers"))
    runtimes = {"local": local, "docker": by_name["docker"].ok}
    if json:
        content = [dataclasses.asdict(finding) for finding in findings]
        output.document("scalelab.doctor", 1, {"runtimes": runtimes, "findings": content})
    else:
        _print(findings)
        usable = [name for name, ok in runtimes.items() if ok]
        output.stdout().print(f"runtimes that work here: {', '.join(usable) or 'none'}")
    if not any(runtimes.values()):
        raise EnvironmentLacks(
            "neither runtime can work here", "pip install 'scalelab[local]', or start Docker"
        )


def _print(findings: list[Finding]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark = "[green]✓[/]" if finding.ok else "[yellow]✗[/]"
        text = (
            finding.found if finding.ok or not finding.hint else f"{finding.found}: {finding.hint}"
        )
        table.add_row(mark, finding.what, text)
    output.stdout().print(table)


def _servers() -> list[Finding]:
    from scalelab import catalog

    findings = []
    for name, service in catalog.services.items():
        if name == "elasticsearch":  # not from pip: it has a finding of its own
            continue
        try:
            service.binaries()
            findings.append(Finding(name, True, f"{service.version()}, pip-installed"))
        except EnvironmentLacks as error:
            findings.append(Finding(name, False, error.message, error.hint))
    return findings


def _user() -> Finding:
    from scalelab.runtimes.local import unprivileged

    who = "root, through a user namespace" if os.geteuid() == 0 else "an ordinary user"
    try:
        unprivileged()
    except EnvironmentLacks as error:
        return Finding("unprivileged servers", False, error.message, error.hint)
    return Finding("unprivileged servers", True, who)


def _budgets() -> Finding:
    from scalelab.runtimes import budgets

    found = budgets.find(config.ledger().state_id)
    if found:
        return Finding("CPU budgets (local)", True, found.how)
    hint = "run as root, or under a systemd user session with the cpu controller delegated"
    return Finding("CPU budgets (local)", False, "none; scaling claims are not judged", hint)


def _docker() -> Finding:
    if not config.docker_is_likely():
        hint = "install Docker Engine and start it; the local runtime works without"
        return Finding("docker", False, "no daemon here", hint)
    from scalelab.runtimes.daemon import connect

    try:
        client = connect()
    except ScalelabError as error:
        return Finding("docker", False, error.message, error.hint)
    try:
        version = client.version()
        tags = {tag for image in client.images.list() for tag in image.tags}
    finally:
        client.close()
    from scalelab import catalog

    wanted = [
        image for s in catalog.services.values() for image in (s.image.default, s.image.offline)
    ]
    have = [image for image in dict.fromkeys(wanted) if image in tags]
    images = f"images: {', '.join(have)}" if have else "no images yet: they are pulled when needed"
    return Finding("docker", True, f"Engine {version['Version']}, {images}")


def _java() -> Finding:
    from scalelab.services import _elasticsearch_java

    try:
        java = _elasticsearch_java.find()
    except EnvironmentLacks as error:
        return Finding("java", False, error.message, error.hint)
    return Finding("java", True, f"{java.version}, {java.home}")


def _elasticsearch() -> Finding:
    from scalelab.services import _elasticsearch_home

    try:
        home = _elasticsearch_home.find()
    except EnvironmentLacks as error:
        return Finding("elasticsearch", False, error.message, error.hint)
    kind = ", without most optional modules" if home.reduced else ""
    found = f"{home.version}{kind}, {home.folder}"
    hint = f"it has no analyzer english: unset {_elasticsearch_home.VARIABLE} to use ours"
    return Finding("elasticsearch", home.analyzes, found, hint)


def _mappings() -> list[Finding]:
    """Whether Elasticsearch may map its files into memory: Linux allows few to begin with."""
    try:
        count = int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):
        return []
    enough = 262144
    hint = (
        "Elasticsearch's nodes read their files without mmap, a little slower;"
        f" sysctl -w vm.max_map_count={enough} lets them"
    )
    return [Finding("memory mappings", count >= enough, f"{count} a process", hint)]


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available
    return Finding("free memory", free > 1024**3, output.size(free), "1 GB is the least")


def _disk() -> Finding:
    folder = config.ledger().folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding("free disk", free > 2 * 1024**3, output.size(free), "2 GB is the least")


def _state() -> Finding:
    folder = config.ledger().folder
    nearest: Path = folder
    while not nearest.exists():
        nearest = nearest.parent
    writable = os.access(nearest, os.W_OK)
    return Finding("state folder", writable, str(folder), "make it writable, or set SCALELAB_STATE")
