"""The parts of the tests: each test is in exactly one, and each part is run by its own.

    python -m tests.parts            all of them, one after the other, and a closing table
    python -m tests.parts timing     only these

A test is in the part that its marker names, and in ``core`` without one. ``make test`` is the part
``core`` alone. What fails in a part that measures by the real clock is repeated once, by itself,
and both outcomes are shown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Part:
    """What a part is about, and how many of its tests may run at a time."""

    about: str
    at_once: int
    by_the_clock: bool = False
    by_module: bool = False
    """A module's tests are not parted, so that the servers they share are brought up once."""


PARTS = {
    "core": Part(
        "every topology, command, fault and runtime once; judges no speed", 4, by_module=True
    ),
    "guides": Part("every command of every guide, in its order", 2),
    "exercises": Part("stubs and wrong answers fail, solutions pass", 2),
    "clusters": Part("clusters, faults, disks and settings at length, on both runtimes", 3),
    "crash": Part("the tool is killed at drawn steps; nothing is left", 3),
    "failover": Part("leaders die, replicas are promoted, failovers on a timeline", 3),
    "labs": Part("what the workloads and experiments of the labs show on real servers", 2),
    "search": Part("Elasticsearch and scalelab search at length", 2, by_module=True),
    "timing": Part("what depends on the real clock; runs alone", 1, by_the_clock=True),
}


@dataclass
class Outcome:
    """What came of a part's tests, by their names."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    minutes: float = 0.0
    broken: bool = False

    @property
    def green(self) -> bool:
        return not self.failed and not self.broken


def command(part: str, *more: str) -> list[str]:
    """How pytest runs one part."""
    chosen = PARTS[part]
    whole = ["loadscope", "--no-loadscope-reorder"] if chosen.by_module else ["worksteal"]
    spread = ["-n", str(chosen.at_once), "--dist", *whole] if chosen.at_once > 1 else []
    return [sys.executable, "-m", "pytest", "-m", part, *spread, *more]


def read(report: Path) -> Outcome:
    """The outcome that a JUnit file of pytest's tells."""
    outcome = Outcome()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        if kinds & {"failure", "error"}:
            outcome.failed.append(name)
        elif "skipped" in kinds:
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcome


def run(part: str, folder: Path) -> Outcome:
    """Run a part; what fails by the clock once more, by itself."""
    began = time.monotonic()
    first = _pytest(part, folder / f"{part}.xml")
    if first.failed and PARTS[part].by_the_clock:
        # `--last-failed` knows them from pytest's own cache.
        again = _pytest(part, folder / f"{part}-again.xml", "--last-failed")
        first = Outcome(
            passed=first.passed + again.passed,
            skipped=first.skipped,
            failed=again.failed,
            repeated=first.failed,
            broken=again.broken,
        )
    first.minutes = (time.monotonic() - began) / 60
    return first


def _pytest(part: str, report: Path, *more: str) -> Outcome:
    done = subprocess.run(command(part, f"--junitxml={report}", *more), check=False)
    outcome = read(report) if report.exists() else Outcome(broken=True)
    # 1: some failed. Whatever else is not 0 (no test found, an error of its own) is no success.
    outcome.broken |= done.returncode not in (0, 1)
    return outcome


def table(outcomes: dict[str, Outcome]) -> Table:
    """The closing table."""
    drawn = Table("part", "passed", "failed", "skipped", "repeated", "minutes", box=box.SIMPLE)
    for column in drawn.columns[1:]:
        column.justify = "right"
    for name, each in outcomes.items():
        failed = "did not run" if each.broken else str(len(each.failed))
        counts = (str(each.passed), failed, str(each.skipped), str(len(each.repeated)))
        drawn.add_row(name, *counts, f"{each.minutes:.1f}")
    return drawn


def main(arguments: Sequence[str]) -> int:
    """Run parts and print the table; 0 when all are green."""
    parser = argparse.ArgumentParser(prog="python -m tests.parts")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    wanted = parser.parse_args(arguments).parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in wanted:
            print(f"\n== {part}: {PARTS[part].about}", flush=True)
            outcomes[part] = run(part, Path(folder))
    console = Console()
    console.print(table(outcomes))
    for name, each in outcomes.items():
        for test in each.failed:
            console.print(f"failed in {name}: {test}", highlight=False)
        for test in each.repeated:
            end = "failed again" if test in each.failed else "passed when it was repeated, alone"
            console.print(f"repeated in {name}: {test}: {end}", highlight=False)
    return 0 if all(each.green for each in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
