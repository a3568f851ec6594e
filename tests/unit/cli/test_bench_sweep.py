"""--sweep without servers: a run for each value, on the same clusters, then table, law and plot."""

import contextlib
import dataclasses
import json
import sys

import pytest

from scalelab.cli import app, output, running
from scalelab.model import Budget, Cluster, Comparison, RunResult, Topology, VariantSummary


def summary(name, throughput, comparison=None):
    return VariantSummary(
        name=name,
        throughput=throughput,
        throughput_low=0.98 * throughput,
        throughput_high=1.02 * throughput,
        mean_ms=1.0,
        p50_ms=1.0,
        p95_ms=20.0,
        p99_ms=40.0,
        max_ms=90.0,
        operations=5000,
        errors={},
        error_share=0.0,
        judged=0,
        stale=0,
        stale_share=None,
        stale_max_age_ms=0.0,
        counts={},
        cpu_share=0.5,
        send_lag_p99_ms=0.1,
        offered=None,
        by_round=(throughput,) * 5,
        histogram="",
        comparison=comparison,
    )


class Pool:
    """Drives nothing."""

    def __init__(self, workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def swept(monkeypatch, capsys, tmp_path):
    """Run ``scalelab bench caching`` with these options; every run obeys a law with a knee."""
    loads, opened = [], []

    def measured(name, lab, clusters, load, pool, workloads, **_):
        loads.append(load)
        n = load.clients
        rate = 1000 * n / (1 + 0.02 * (n - 1) + 0.005 * n * (n - 1))
        return RunResult(
            lab=name,
            title=lab.title,
            counted=lab.counted,
            runtime="local",
            budget=Budget(),
            budgeted=True,
            load=load,
            rounds=5,
            order=(("database", "cache-aside"),) * 5,
            quick=False,
            started=0.0,
            host={},
            versions={},
            summaries=(
                summary("database", rate),
                summary("cache-aside", 2 * rate, Comparison(2.0, 1.9, 2.1, 0.001, "faster")),
            ),
            claims=(),
            warnings=(),
        )

    @contextlib.contextmanager
    def clusters(*_):
        opened.append(1)
        up = Cluster("x", "local", Topology("single", {}, ()), {}, Budget(), "up", 0.0)
        yield {"database": up, "cache-aside": up}

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["scalelab", "bench", "caching", *options])
        for console in (output.stdout, output.stderr):
            console.cache_clear()  # they keep the stream they were made with
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code, *capsys.readouterr(), loads, opened

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("SCALELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("scalelab.bench.run", measured)
    monkeypatch.setattr("scalelab.load.pool.Pool", Pool)
    monkeypatch.setattr(running, "clusters", clusters)
    monkeypatch.setattr(app, "_second_interrupt_kills", lambda: None)
    yield run
    for console in (output.stdout, output.stderr):
        console.cache_clear()


def test_each_value_is_run_once_on_the_same_clusters(swept):
    code, out, err, loads, opened = swept("--sweep", "clients=16,1,2,4,8,32,4", "--seed", "7")
    assert code == 0
    assert len(opened) == 1
    ran = [load.clients for load in loads]
    assert sorted(ran) == [1, 2, 4, 8, 16, 32]
    assert ran != sorted(ran)  # drawn by the seed
    assert all(dataclasses.replace(load, clients=1) == loads[ran.index(1)] for load in loads)
    assert f"run 1 of 6: {ran[0]} clients" in err
    sizes = [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert sizes[:6] == ["1", "2", "4", "8", "16", "32"]
    assert "database: knee at 14 clients" in out
    assert ". scaling law" in out
    assert err.count("kept as ") == 6


def test_json_goes_to_stdout_alone_or_to_a_file_beside_the_table(swept, tmp_path):
    _, out, *_ = swept("--sweep", "clients=1,2,4,8", "--json", "-")
    assert json.loads(out)["schema"] == "scalelab.sweep"
    _, out, *_ = swept("--sweep", "clients=1,2,4,8", "--json", "s.json")
    assert "knee" in out
    built = json.loads((tmp_path / "s.json").read_text())
    assert [each["n"] for each in built["runs"]] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["client=1,2,4,8"], "did you mean 'clients'?"),
        (["replicas=1,2,4,8"], "there is no sweep parameter 'replicas'"),
        (["clients"], "no values"),
        (["clients="], "not ''"),
        (["clients=1,2,,4,8"], "not ''"),
        (["clients=1,2,4,8.5"], "not '8.5'"),
        (["clients=1,2,4,10001"], "from 1 to 10,000"),
        (["clients=1,2,4,99999999999999999999"], "from 1 to 10,000"),
        (["clients=4,2,4"], "at least 4 different values, not 2"),
        (["clients=1,2,4,8", "--clients", "4"], "--sweep and --clients exclude"),
        (["clients=1,2,4,8", "--rate", "400"], "--sweep and --rate exclude"),
        (["clients=1,2,4,8", "--csv", "x.csv"], "--sweep and --csv exclude"),
        (["clients=1,2,4,8", "--html", "x.html"], "--sweep and --html exclude"),
        (["clients=1,2,4,8", "--fail-if", "errors>0"], "--sweep and --fail-if exclude"),
    ],
)
def test_a_wrong_sweep_ends_with_2_before_anything_is_up(swept, options, says):
    code, out, err, _, opened = swept("--sweep", *options)
    assert (code, out, opened) == (2, "", [])
    assert says in err
    assert "\ndo: " in err


def test_settings_of_a_single_run_give_way_to_a_sweep(swept, tmp_path):
    (tmp_path / "scalelab.toml").write_text('[bench]\nrate = 400.0\nfail-if = ["errors>0"]\n')
    code, _, _, loads, _ = swept("--sweep", "clients=1,2,4,8")
    assert code == 0
    assert {load.rate for load in loads} == {None}
