"""The commands as a user types them: a cluster's life in text and JSON, choosing, settings."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from scalelab.cli import bench
from scalelab.errors import CheckFailed, Inconclusive
from scalelab.model import Claim, ClaimResult, Lab, Load, RunResult, Variant, VariantSummary
from tests.conftest import Run, leftovers

ReadJson = Callable[..., dict[str, Any]]

_CLUSTER = {"name", "topology", "params", "runtime", "phase", "budget", "faults", "nodes"}
_NODE = {"name", "service", "role", "follows", "url", "state", "uptime_s", "memory_bytes"}
_FOLLOWER = {*_NODE, "replication", "lag_bytes", "lag_ms"}
_RUN = {
    *("schema", "version", "lab", "title", "counted", "runtime", "budget", "budgeted", "load"),
    *(
        "rounds",
        "order",
        "quick",
        "aa",
        "noop_ceiling_per_s",
        "rehearsals",
        "started_unix_s",
        "host",
        "versions",
        "variants",
        "claims",
        "warnings",
    ),
}


def _files(folder: Path) -> dict[str, tuple[int, bytes]]:
    # The servers' own files change by themselves; everything that is the tool's must not.
    own = [path for path in folder.rglob("*") if "data" not in path.parts and path.name != "log"]
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in own if path.is_file()
    }


def _document(text: str, schema: str, version: int = 1) -> dict[str, Any]:
    read = json.loads(text)
    assert (read["schema"], read["version"]) == (f"scalelab.{schema}", version)
    return dict(read)


# --- a cluster's life ----------------------------------------------------------------------------


def test_life_of_a_cluster(run: Run, state: Path, runtime: str) -> None:
    said = run("up", "caching", "-r", runtime, "--name", "shop").stdout
    assert re.match(rf"shop is up in [\d.]+ s \({runtime}, 2 nodes at 0.20 CPU and 256 MB\)", said)
    assert said.endswith("stop it with: scalelab down --name shop\n")
    urls = dict(line.split("\t") for line in run("url").stdout.splitlines())
    assert set(urls) == {"primary", "cache"}
    assert run("url", "primary").stdout == urls["primary"] + "\n"
    password = re.search(r"lab:(\w+)@", urls["primary"])
    assert password
    assert password[1] not in said

    status = run("status").stdout
    assert re.search(r"^primary\s+primary\s+127.0.0.1:\d+\s+running", status, re.MULTILINE)

    assert run("shell", "primary", "--", "-Atc", "select 1").stdout == "1\n"
    failed = run("shell", "primary", "--", "-Atc", "selec", code=1)
    assert "syntax error" in failed.stderr
    assert run("shell", "cache", "set", "a", "one two").stdout == "OK\n"
    assert run("shell", "cache", input="get a\nset b 2\n\nget b\n").stdout.split("\n") == (
        ["one two", "OK", "2", ""]
    )
    assert len(run("logs", "primary", "-l", "2").stdout.splitlines()) == 2
    assert run("logs", "primary", "-l", "0").stdout == ""

    assert re.search(r"^cache.* stopped ", run("stop", "cache").stdout, re.MULTILINE)
    before = run("url", "cache").stdout
    assert re.search(r"^cache.* running ", run("start").stdout, re.MULTILINE)
    assert run("url", "cache").stdout == before

    assert run("down").stdout == "shop is down\n"
    assert leftovers(state) == []
    assert run("status").stdout.startswith("no cluster is up")


@pytest.mark.clusters
def test_documents_and_up_again(run: Run, read_json: ReadJson) -> None:
    arguments = ["up", "replication", "-r", "local", "-p", "replicas=1"]
    first = _document(run(*arguments, "--json").stdout, "up")
    assert set(first) == {"schema", "version", *_CLUSTER}
    assert first["budget"] == {"cpus": 0.2, "memory_bytes": 256 * 1024**2, "disk_bytes": None} | {
        "enforced": first["budget"]["enforced"]
    }
    primary, replica = first["nodes"]
    assert set(primary) == _NODE
    assert set(replica) == _FOLLOWER
    assert first["params"] == {"replicas": 1, "sync": "off", "apply_delay_ms": 0, "delayed": 8}

    again = _document(run(*arguments, "--json").stdout, "up")
    assert [(n["name"], n["url"]) for n in again["nodes"]] == [
        (n["name"], n["url"]) for n in first["nodes"]
    ]
    for other in (["-p", "replicas=2"], ["--cpus", "0.3"], ["--memory", "300M"]):
        said = run("up", "replication", "-r", "local", *(arguments[4:] + other), code=2).stderr
        assert "up already, as replication (replicas=1" in said
        assert "0.2 CPU and 256 MB a node" in said

    status = _document(run("status", "--json").stdout, "status")
    assert set(status) == {"schema", "version", "clusters", "damaged"}
    (cluster,) = status["clusters"]
    assert set(cluster) == _CLUSTER
    assert status["damaged"] == []

    url = _document(run("url", "--json").stdout, "url")
    assert set(url) == {"schema", "version", "cluster", "urls"}
    assert set(url["urls"]) == {"primary", "replica1"}
    run("down")


def test_looking_changes_nothing(run: Run, state: Path) -> None:
    run("up", "single", "-r", "local")
    before = _files(state)
    assert before
    for look in (["status"], ["status", "--json"], ["url"], ["url", "--export"], ["logs"]):
        run(*look)
    assert _files(state) == before
    run("down")


def test_looking_makes_no_state_folder(run: Run, state: Path) -> None:
    run("status")
    run("doctor", code=None)
    run("url", code=2)
    assert not state.exists()


def test_exported_lines_work_in_sh(run: Run, tmp_path: Path) -> None:
    run("up", "single", "-r", "local", "--name", "1-shop")
    lines = run("url", "--export").stdout
    script = f'{lines}printf %s "$_1_SHOP_PRIMARY_URL"'
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout + "\n" == run("url", "primary").stdout
    run("down")


# --- which cluster -------------------------------------------------------------------------------


@pytest.mark.clusters
def test_choosing_a_cluster(run: Run) -> None:
    run("up", "single", "-r", "local", "--name", "one")
    assert run("url").stdout.startswith("primary\t")
    run("up", "single", "-r", "local", "--name", "two")
    for command in (["url"], ["down"], ["stop"], ["logs"], ["shell"]):
        said = run(*command, code=2).stderr
        assert "several clusters are up: one, two" in said
        assert "--name or SCALELAB_NAME" in said
    status = run("status").stdout
    assert "one · single" in status
    assert "two · single" in status
    assert run("url", "--name", "one").stdout != run("url", "--name", "two").stdout
    assert run("url", SCALELAB_NAME="one").stdout == run("url", "-n", "one").stdout
    by_flag = run("url", "--name", "two", SCALELAB_NAME="one").stdout
    assert by_flag == run("url", "--name", "two").stdout
    assert "did you mean 'two'?" in run("url", "--name", "tow", code=2).stderr
    run("down", SCALELAB_NAME="one")
    run("down")


# --- settings ------------------------------------------------------------------------------------


def test_flag_then_environment_then_file_then_default(
    run: Run, read_json: ReadJson, tmp_path: Path
) -> None:
    def memory(*arguments: str, **more: str) -> str:
        text = run("compose", "single", *arguments, **more).stdout
        found = re.search(r"mem_limit: (\S+)|memory: (\S+)", text)
        assert found, text
        return found[1] or found[2]

    sizes = [memory()]
    (tmp_path / "scalelab.toml").write_text('memory = "300M"\n')
    sizes.append(memory())
    (tmp_path / "scalelab.toml").write_text('memory = "300M"\n[compose]\nmemory = "310M"\n')
    sizes.append(memory())
    sizes.append(memory(SCALELAB_MEMORY="320M"))
    sizes.append(memory("--memory", "330M", SCALELAB_MEMORY="320M"))
    assert len(set(sizes)) == 5
    flags = [memory("--memory", f"{size}M") for size in (256, 300, 310, 320, 330)]
    assert sizes == flags


def test_images_of_the_file(run: Run, tmp_path: Path, docker_ready: None) -> None:
    file = tmp_path / "scalelab.toml"
    file.write_text('[images]\npostgres = "127.0.0.1:1/none:1"\n')
    assert "127.0.0.1:1/none:1" in run("images", "list", COLUMNS="200").stdout
    file.write_text('[images]\npostgrs = "x"\n')
    assert "did you mean 'postgres'?" in run("images", "list", code=2).stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[bnech]\nrounds = 3\n", "did you mean 'bench'?"),
        ('runtme = "local"\n', "did you mean 'runtime'?"),
        ("[bench]\nround = 3\n", "did you mean 'rounds'?"),
        ('runtime = "local"\n[bench\n', "line 2"),
        ("runtime = \n", "line 1"),
    ],
)
def test_a_wrong_settings_file(run: Run, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "scalelab.toml").write_text(text)
    done = run("status", code=2)
    assert "scalelab.toml" in done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    run("--help")  # help is what one needs then
    (tmp_path / "scalelab.toml").unlink()


def test_one_parameter_in_the_file_needs_no_list(run: Run, tmp_path: Path) -> None:
    (tmp_path / "scalelab.toml").write_text('[compose]\nparam = "replicas=1"\n')
    text = run("compose", "replication").stdout
    assert "replica1:" in text
    assert "replica2:" not in text
    (tmp_path / "scalelab.toml").unlink()


# --- other commands ------------------------------------------------------------------------------


def test_compose(run: Run, tmp_path: Path) -> None:
    text = run("compose", "sharding", "-p", "shards=3").stdout
    assert all(f"shard{number}:" in text for number in (1, 2, 3))
    done = run("compose", "sharding", "-p", "shards=3", "-o", "compose.yaml")
    assert (tmp_path / "compose.yaml").read_text() == text
    assert done.stdout == ""
    said = run("compose", "single", "-o", "no/such/file.yaml", code=4).stderr
    assert "no/such/file.yaml cannot be written" in said


def test_doctor(run: Run) -> None:
    read = _document(run("doctor", "--json").stdout, "doctor")
    assert set(read) == {"schema", "version", "runtimes", "findings"}
    assert set(read["runtimes"]) == {"local", "docker"}
    for finding in read["findings"]:
        assert set(finding) == {"what", "ok", "found", "hint"}
        assert finding["ok"] or finding["hint"]
    assert "runtimes that work here: local" in run("doctor").stdout


# --- bench ---------------------------------------------------------------------------------------


def _short(*more: str) -> list[str]:
    return ["bench", "caching", "--quick", "-r", "local", "--duration", "0.3", *more]


def test_bench_on_stdout_is_nothing_but_the_document(run: Run, state: Path) -> None:
    done = run(*_short("--json", "-"))
    read = _document(done.stdout, "run", 5)
    assert "kept as " in done.stderr
    assert run("report", "--json").stdout == done.stdout
    assert set(read) == _RUN
    assert read["quick"] is True
    assert [v["name"] for v in read["variants"]] == ["database", "cache-aside"]
    assert {claim["outcome"] for claim in read["claims"]} == {"inconclusive"}
    assert leftovers(state) == []


@pytest.mark.clusters
def test_bench_writes_files_and_borrows_a_cluster(run: Run, tmp_path: Path) -> None:
    workers = (psutil.cpu_count() or 1) + 1
    if workers > 17:
        pytest.skip("more workers than cores would be too many here")
    run("up", "caching", "-r", "local")
    files = ["--csv", "run.csv", "--json", "run.json"]
    load = ["--rate", "130", "--workers", str(workers), "--variants", "cache-aside"]
    said = run(*_short(*files, *load)).stdout
    assert "open loop, 130/s planned" in said
    assert f"{workers} workers on {workers - 1} cores compete" in said.replace("\n", " ")
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["load"]["rate_per_s"] == 130
    rows = list(csv.DictReader((tmp_path / "run.csv").read_text().splitlines()))
    assert [row["variant"] for row in rows] == ["cache-aside"]
    # It was up before, so it is up still, and it is where the load went.
    tables = "select count(*) > 0 from information_schema.tables where table_schema = 'public'"
    assert run("shell", "primary", "--", "-Atc", tables).stdout == "t\n"
    run("down")


@pytest.mark.clusters
def test_a_typed_load_beats_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "scalelab.toml").write_text("[bench]\nclients = 3\nduration = 9\n")
    read = run(*_short("--rate", "50", "--variants", "database", "--json", "-"))
    load = json.loads(read.stdout)["load"]
    # The file's clients are those of a closed loop.
    assert (load["rate_per_s"], load["clients"]) == (50, 64)


@pytest.mark.clusters
def test_bench_in_stages(run: Run, tmp_path: Path) -> None:
    # As in a file: what it sets is checked and taken like what is typed.
    (tmp_path / "scalelab.toml").write_text(
        '[bench]\nrate = "40:1,120:0.5"\narrivals = "constant"\nclients = 9\n'
    )
    bench = ["bench", "caching", "--quick", "-r", "local", "-v", "database", "--json", "run.json"]
    said = run(*bench).stdout
    assert "2 stages of 40 to 120/s planned (constant) over 9 clients" in said
    assert "2: 120/s for 0.5 s" in said
    read = json.loads((tmp_path / "run.json").read_text())
    assert (read["load"]["duration_s"], read["load"]["arrivals"]) == (1.5, "constant")
    (variant,) = read["variants"]
    # Two rounds of evenly spaced arrivals: nothing of this is chance.
    assert [stage["planned"] for stage in variant["stages"]] == [80, 120]
    assert variant["planned"] == 200
    answered = variant["operations"] + sum(variant["errors"].values())
    assert answered + variant["unsent"] == pytest.approx(200, abs=2 * 9)
    typed = run("bench", "caching", "--rate", "9:1,8:1", "--duration", "1", code=2)
    assert "leave --duration out" in typed.stderr


def _lab(*metrics: str) -> Lab:
    claims = tuple(Claim(f"{metric} is so", "b", metric, low=1) for metric in metrics)
    variants = tuple(Variant(name, "single", "point_read_write") for name in "ab")
    return Lab("T", "?", "read", variants, claims)


def _summary(**changed: float) -> VariantSummary:
    values: dict[str, Any] = dict.fromkeys(f.name for f in dataclasses.fields(VariantSummary))
    calm = {"error_share": 0.0, "cpu_share": 0.1, "ceiling_share": 0.1}
    return VariantSummary(**values | calm | changed)


def _result(outcomes: dict[str, str], summary: VariantSummary, **more: Any) -> RunResult:
    values: dict[str, Any] = dict.fromkeys(f.name for f in dataclasses.fields(RunResult))
    claims = tuple(ClaimResult(f"{metric} is so", said, "") for metric, said in outcomes.items())
    fixed = {"claims": claims, "summaries": (summary,), "budgeted": True, "rounds": 5}
    load = Load(16, None, 3.0, 1.0, 42, workers=2)
    return RunResult(**values | fixed | {"quick": False, "load": load} | more)


def test_exit_codes_of_claims() -> None:
    both, fine = _lab("ratio", "stale"), _summary()
    confirmed = {"ratio": "confirmed", "stale": "confirmed"}
    assert bench.judge(both, _result(confirmed, fine), []) is None
    with pytest.raises(CheckFailed, match="refuted here: stale is so") as failed:
        bench.judge(both, _result({"ratio": "inconclusive", "stale": "refuted"}, fine), [])
    assert failed.value.exit_code == 1
    with pytest.raises(Inconclusive, match="not settled: ratio is so") as unsettled:
        bench.judge(both, _result({**confirmed, "ratio": "inconclusive"}, fine), [])
    assert unsettled.value.exit_code == 3
    refuted = {"ratio": "refuted", "stale": "inconclusive"}
    assert bench.judge(both, _result(refuted, fine, quick=True), []) is None


@pytest.mark.parametrize(
    ("metric", "summary", "more", "hint"),
    [
        ("ratio", {}, {}, "--rounds 10"),
        ("ratio", {}, {"rounds": 10}, "--rounds 20"),
        ("ratio", {}, {"budgeted": False}, "scalelab doctor"),
        ("ratio", {"error_share": 0.5}, {}, "end the errors first"),
        ("ratio", {"cpu_share": 0.95}, {}, "--workers 3"),
        ("stale", {}, {}, "--duration 10"),
        ("stale", {}, {"budgeted": False}, "--duration 10"),
    ],
)
def test_what_would_settle_it(
    metric: str, summary: dict[str, float], more: dict[str, Any], hint: str
) -> None:
    result = _result({metric: "inconclusive"}, _summary(**summary), **more)
    with pytest.raises(Inconclusive) as unsettled:
        bench.judge(_lab(metric), result, [])
    assert hint in unsettled.value.hint
    assert ("--rounds" in unsettled.value.hint) == ("--rounds" in hint)
