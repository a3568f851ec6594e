"""Kept runs as a user sees them: listed, printed again, compared, refused."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scalelab.cli import output, running
from scalelab.report import document, sweep
from scalelab.runs import Runs
from tests import made_up
from tests.conftest import Run, environment, leftovers

REPLICATION = made_up.replication()
CACHING = dataclasses.replace(made_up.caching(), started=REPLICATION.started + 60)


@pytest.fixture
def kept(state: Path) -> list[str]:
    """The names of three kept runs, oldest first; the last is of the first's lab."""
    again = dataclasses.replace(REPLICATION, started=REPLICATION.started + 120, runtime="docker")
    runs = Runs(state)
    return [
        runs.keep(document.dump(result), result.lab, result.started)
        for result in (REPLICATION, CACHING, again)
    ]


def test_without_runs(run: Run, state: Path) -> None:
    assert run("report", "--list").stdout.startswith("no run is kept")
    assert json.loads(run("report", "--list", "--json").stdout)["runs"] == []
    assert "bench caching" in run("report", code=2).stderr
    assert not state.exists()


def test_list(run: Run, kept: list[str], state: Path) -> None:
    said = run("report", "--list").stdout
    lines = [line for line in said.splitlines() if "2023" in line]
    assert [line.split()[0] for line in lines] == kept[::-1]
    assert "cache-aside 3.38x" in said
    (state / "runs" / "20240101T000000Z-odd.json").write_text("{")
    done = run("report", "--list", "--json")
    read = json.loads(done.stdout)
    assert (read["schema"], read["version"]) == ("scalelab.runs", 2)
    assert [row["name"] for row in read["runs"]] == kept[::-1]
    assert list(read["runs"][0]) == [
        *("name", "started_unix_s", "lab", "runtime", "sweep", "variants", "result")
    ]
    assert read["runs"][0]["result"] == "refuted"
    assert [row["name"] for row in read["unreadable"]] == ["20240101T000000Z-odd"]
    assert "not shown: 20240101T000000Z-odd is damaged" in run("report", "--list").stderr


@pytest.mark.clusters
def test_the_latest_a_name_and_a_file_print_alike(
    run: Run, kept: list[str], state: Path, tmp_path: Path
) -> None:
    latest = run("report").stdout
    assert latest.startswith("replication · docker")
    file = tmp_path / "mine.json"
    file.write_bytes((state / "runs" / f"{kept[2]}.json").read_bytes())
    for name in ("latest", kept[2], f"{kept[2]}.json", "mine.json", str(file)):
        assert run("report", name).stdout == latest
    assert run("report", kept[1]).stdout.startswith("caching · local")
    assert run("report", "--json").stdout == file.read_text()
    rows = list(csv.DictReader(io.StringIO(run("report", "--csv").stdout)))
    assert [row["variant"] for row in rows] == ["single", "two-replicas", "sync-replicas"]


def test_a_page(run: Run, kept: list[str], tmp_path: Path) -> None:
    done = run("report", kept[1], "--html", "run page.html")
    assert done.stdout.startswith("caching")
    text = (tmp_path / "run page.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert run("report", kept[1], "--html", "-").stdout == text
    compared = run("report", kept[2], kept[0], "--html", "-").stdout
    assert "Against the run of 2023-11-14 22:13:20 UTC" in compared


def test_compared(run: Run, kept: list[str]) -> None:
    said = run("report", "latest", kept[0]).stdout
    assert "1.00x [0.98, 1.02]" in said
    assert "the runtimes differ: docker, was local" in said
    read = json.loads(run("report", kept[2], kept[0], "--json").stdout)
    assert (read["schema"], read["version"]) == ("scalelab.comparison", 1)
    assert run("report", kept[2], kept[0], "--csv").stdout.startswith("variant,")
    refused = run("report", kept[2], kept[1], code=2)
    assert "of lab 'replication', the other of lab 'caching'" in refused.stderr
    assert refused.stdout == ""


def test_a_sweep(run: Run, kept: list[str], state: Path) -> None:
    swept = made_up.sized()
    name = Runs(state).keep(sweep.dump(swept), "replication", swept.started + 300)
    assert "two-replicas: no knee" in run("report").stdout
    assert run("report", name, "--json").stdout == sweep.dump(swept)
    assert len(run("report", name, "--csv").stdout.splitlines()) == 9
    assert "Scalability" in run("report", name, "--html", "-").stdout
    assert "sweep of" in run("report", "--list").stdout
    listed = json.loads(run("report", "--list", "--json").stdout)["runs"][0]
    assert (listed["name"], listed["sweep"]) == (name, "replicas=1,2,3,4")
    assert [each["name"] for each in listed["variants"]] == ["single", "two-replicas"]
    for pair in ((name, kept[0]), (kept[0], name)):
        refused = run("report", *pair, code=2)
        assert "a sweep of replicas cannot be compared" in refused.stderr
        assert refused.stdout == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"\x80\xff", "no text"),
        (b'{"schema": "scalelab.run", "version": 1}', "has version 1 of the schema, not 5"),
        (b'{"metrics": {}}', "not a scalelab run"),
        (document.dump(REPLICATION).encode()[:-400], "damaged"),
        (b'{"schema": "scalelab.sweep", "version": 1}', "has version 1 of the schema, not 2"),
        (sweep.dump(made_up.swept()).replace("clients", "\\u001b[2J", 1).encode(), "damaged"),
    ],
)
def test_what_is_not_a_run(run: Run, tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    done = run("report", "x.json", code=2)
    assert says in done.stderr
    assert "x.json" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no/such.json"], "there is no file and no kept run 'no/such.json'"),
        (["."], "cannot be read"),
        (["20231114T221320Z-replicaton"], "did you mean '20231114T221320Z-replication'?"),
        (["--json", "--csv"], "only one document"),
        (["--json", "--html", "-"], "only one document"),
        (["--list", "--csv"], "--list takes nothing"),
        (["--html", "no/such/x.html"], "no folder"),
    ],
)
def test_wrong_use(run: Run, kept: list[str], arguments: list[str], says: str) -> None:
    done = run("report", *arguments, code=2)
    assert says in done.stderr
    assert done.stdout == ""


def test_down_all_keeps_the_runs(run: Run, kept: list[str], state: Path) -> None:
    run("down", "--all")
    assert leftovers(state) == []
    assert json.loads(run("report", "--list", "--json").stdout)["runs"][0]["name"] == kept[2]


def test_a_run_that_cannot_be_kept_is_printed(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCALELAB_STATE", str(state))
    output.stdout.cache_clear()
    output.stderr.cache_clear()
    state.mkdir()
    (state / "runs").write_text("in the way")
    running.keep(REPLICATION)
    running.show(REPLICATION, None, None, None, "run")
    said = capsys.readouterr()
    assert "".join(said.err.splitlines()).startswith("this run is not kept: ")
    assert "two-replicas" in said.out


# Disks of one page, used up.
_ON_FULL_DISKS = """
for folder in "$1" "$2"; do
    mkdir -p "$folder" && mount -t tmpfs -o size=4k none "$folder" || exit 99
    head -c 4096 /dev/zero > "$folder/used"
done
runs=$1 small=$2; shift 2
"$@"; code=$?
ls "$runs" "$small" | grep -E 'run[.]|json' >&2
exit $code
"""


@pytest.mark.clusters
def test_full_disks_lose_no_run(state: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small = tmp_path / "small"
    options = ["-r", "local", "--quick", "--rounds", "1", "--duration", "0.2", "-v", "database"]
    for kind in ("json", "csv", "html"):
        options += [f"--{kind}", str(small / f"run.{kind}")]
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", _ON_FULL_DISKS, "sh", state / "runs", small),
            *(sys.executable, "-m", "scalelab", "bench", "caching", *options),
        ],
        env=environment(state),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert re.search(r"^ *database +[\d.k]+", done.stdout, re.MULTILINE)
    said, _, left = " ".join(done.stderr.split()).partition("do: the run is printed above")
    assert "this run is not kept: " in said
    for name in ("runs", "run.json", "run.csv", "run.html"):
        assert f"{name} cannot be written: No space left on device" in said
    assert left == ""  # no half of a document either


@pytest.mark.parametrize("options", [["--json"], ["--csv"], ["--html", "-"], []], ids=str)
def test_a_full_stdout(kept: list[str], state: Path, options: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "scalelab", "report", *options],
            env=environment(state),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    said = "error: [Errno 28] No space left on device\ndo: free some disk space\n"
    assert done.stderr == said


def test_a_full_device_is_named_and_left(run: Run, kept: list[str]) -> None:
    done = run("report", "--html", "/dev/full", code=4)
    assert "two-replicas" in done.stdout
    assert "/dev/full cannot be written: No space left on device" in done.stderr
    assert Path("/dev/full").is_char_device()
