"""--sweep without servers: a run for each value, on the same clusters, then table, law and plot."""

import contextlib
import dataclasses
import json
import sys

import pytest

from scalelab import catalog
from scalelab.cli import app, output, running
from scalelab.errors import EnvironmentLacks
from scalelab.measure.histogram import Histogram
from scalelab.model import Cluster, RunResult, VariantSummary
from scalelab.report import forms


def summary(name, throughput):
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
        ceiling_share=0.1,
        send_lag_p99_ms=0.1,
        offered=None,
        by_round=(throughput,) * 5,
        figures_by_round=({},) * 5,
        histogram=Histogram().encode().decode(),
        comparison=None,
    )


class Pool:
    """Drives nothing."""

    def __init__(self, workers, most=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def swept(monkeypatch, capsys, tmp_path):
    """Run ``scalelab bench LAB`` with these options; every run obeys a law with a knee.

    Gives the exit code, what was printed, the plans of the runs, and which clusters were brought
    up one after another, as (variants, sizes).
    """
    plans, opened = [], []

    def measured(plan, clusters, pool):
        if len(plans) == run.broken_after:
            raise run.broken
        plans.append(plan)
        n = plan.load.clients
        rate = 1000 * n / (1 + 0.02 * (n - 1) + 0.005 * n * (n - 1))
        names = list(clusters)
        return RunResult(
            lab=plan.name,
            title=plan.lab.title,
            counted=plan.lab.counted,
            runtime="local",
            budget=plan.budget,
            budgeted=True,
            load=plan.load,
            rounds=5,
            order=(tuple(names),) * 5,
            quick=False,
            aa=False,
            started=0.0,
            host={},
            versions={},
            noop_ceiling=180_000.0,
            rehearsals=(),
            summaries=tuple(summary(name, rate) for name in names),
            claims=(),
            warnings=(),
        )

    @contextlib.contextmanager
    def clusters(plan, taken=()):
        up = {}
        for variant in plan.variants:
            topology = catalog.topology(variant.topology, variant.params)
            places = {node.name: None for node in topology.nodes}
            name = f"bench-{variant.name}"
            assert name not in taken
            up[variant.name] = Cluster(name, plan.runtime, topology, places, plan.budget, "up", 0.0)
        if up:
            opened.append({name: len(cluster.places) for name, cluster in up.items()})
        yield up

    def run(*options, lab="caching"):
        monkeypatch.setattr(sys, "argv", ["scalelab", "bench", lab, "-r", "local", *options])
        for console in (output.stdout, output.stderr):
            console.cache_clear()  # they keep the stream they were made with
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code, *capsys.readouterr(), plans, opened

    run.broken_after, run.broken = None, None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("SCALELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("scalelab.load.pool.Pool", Pool)
    monkeypatch.setattr(running, "measure", measured)
    monkeypatch.setattr(running, "clusters", clusters)
    monkeypatch.setattr(app, "_second_interrupt_kills", lambda: None)
    yield run
    for console in (output.stdout, output.stderr):
        console.cache_clear()


def kept(tmp_path):
    files = [path for path in (tmp_path / "state/runs").glob("*.json") if not path.is_symlink()]
    assert len(files) == 1
    return forms.load(files[0].read_text())


def test_each_value_is_run_once_on_the_same_clusters(swept, tmp_path):
    code, out, err, plans, opened = swept("--sweep", "clients=16,1,2,4,8,32", "--seed", "7")
    assert code == 0
    assert opened == [{"database": 1, "cache-aside": 2}]
    ran = [plan.load.clients for plan in plans]
    assert sorted(ran) == [1, 2, 4, 8, 16, 32]
    assert ran != sorted(ran)  # drawn by the seed
    one = plans[ran.index(1)].load
    assert all(dataclasses.replace(plan.load, clients=1) == one for plan in plans)
    assert f"run 1 of 6: {ran[0]} clients" in err
    sizes = [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert sizes[:6] == ["1", "2", "4", "8", "16", "32"]
    assert "database: knee at 14 clients" in out
    assert ". scaling law" in out
    assert err.count("kept as ") == 1
    assert [point.value for point in kept(tmp_path).points] == [1, 2, 4, 8, 16, 32]


def test_a_topology_is_brought_up_in_each_size_beside_a_baseline_that_stays(swept, tmp_path):
    code, out, _, plans, opened = swept("--sweep", "replicas=1,2,3,4", lab="replication")
    assert code == 0
    assert opened[0] == {"single": 1}
    assert sorted(up["two-replicas"] for up in opened[1:]) == [2, 3, 4, 5]
    assert all(list(up) == ["two-replicas"] for up in opened[1:])
    # As much for each node to do, and no claim about a size that is not the lab's.
    found = kept(tmp_path)
    assert [point.run.load.clients for point in found.points] == [16, 24, 32, 40]
    assert [point.shapes["two-replicas"].params["replicas"] for point in found.points] == (
        [1, 2, 3, 4]
    )
    assert found.varied == ("two-replicas",)
    assert {plan.lab.claims for plan in plans} == {()}
    assert "single: not varied" in out


def test_nodes_are_those_of_the_topology(swept, tmp_path):
    assert swept("--sweep", "nodes=2,3,4,5", "--clients", "4", lab="sharding")[0] == 0
    found = kept(tmp_path)
    assert [point.shapes["three-shards"].nodes for point in found.points] == [2, 3, 4, 5]
    assert [point.run.load.clients for point in found.points] == [4, 6, 8, 10]


def test_cpus_are_the_budget_of_every_node_with_the_same_clients(swept, tmp_path):
    code, out, _, _, opened = swept("--sweep", "cpus=0.8,0.1,0.2,0.4")
    assert code == 0
    assert opened == [{"database": 1, "cache-aside": 2}] * 4
    found = kept(tmp_path)
    assert (found.unit, found.asked) == (0.1, (0.1, 0.2, 0.4, 0.8))
    assert [point.run.budget.cpus for point in found.points] == [0.1, 0.2, 0.4, 0.8]
    assert {point.run.load.clients for point in found.points} == {16}
    assert "units of 0.1 cpus" in out


def test_a_quantity_counts_from_its_smallest_value(swept, tmp_path):
    assert swept("--sweep", "maxmemory_mb=16,32,64,128")[0] == 0
    found = kept(tmp_path)
    assert (found.unit, found.varied) == (16, ("cache-aside",))
    assert {point.run.load.clients for point in found.points} == {16}


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (EnvironmentLacks("no room", "make some"), 4, "no room"),
    ],
)
def test_a_sweep_that_breaks_off_prints_and_keeps_what_it_has(swept, tmp_path, error, code, says):
    swept.broken_after, swept.broken = 2, error
    ended, out, err, plans, _ = swept("--sweep", "clients=1,2,4,8,16", "--json", "s.json")
    assert ended == code
    assert says in err
    assert "no law: a law needs at least 4 different values" in out
    assert "it broke off" in out
    found = kept(tmp_path)
    assert {point.value for point in found.points} == {plan.load.clients for plan in plans}
    assert len(found.points) == 2
    assert len(found.missing) == 3
    assert forms.load((tmp_path / "s.json").read_text()) == found


def test_a_sweep_that_breaks_off_at_once_prints_nothing(swept, tmp_path):
    swept.broken_after, swept.broken = 0, EnvironmentLacks("no room", "make some")
    code, out, err, *_ = swept("--sweep", "clients=1,2,4,8", "--json", "s.json")
    assert (code, out) == (4, "")
    assert "no room" in err
    assert not (tmp_path / "s.json").exists()


def test_each_form_goes_to_stdout_alone_or_to_a_file_beside_the_table(swept, tmp_path):
    _, out, *_ = swept("--sweep", "clients=1,2,4,8", "--json", "-")
    assert json.loads(out)["schema"] == "scalelab.sweep"
    files = ("--json", "s.json", "--csv", "s.csv", "--html", "s.html")
    _, out, *_ = swept("--sweep", "clients=1,2,4,8", *files)
    assert "knee" in out
    built = json.loads((tmp_path / "s.json").read_text())
    assert [each["value"] for each in built["points"]] == [1, 2, 4, 8]
    assert (tmp_path / "s.csv").read_text().count("clients,") == 9
    assert (tmp_path / "s.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["client=1,2,4,8"], "did you mean 'clients'?"),
        (["replicas=1,2,4,8"], "sweep parameters of caching: clients, cpus, maxmemory_mb"),
        (["nodes=1,2,3,4"], "there is no sweep parameter of caching 'nodes'"),
        (["clients"], "no values"),
        (["clients="], "not ''"),
        (["clients=1,2,,4,8"], "not ''"),
        (["clients=1,2,4,8.5"], "not '8.5'"),
        (["clients=1,2,4,10001"], "from 1 to 10,000"),
        (["clients=1,2,4,99999999999999999999"], "from 1 to 10,000"),
        (["clients=4,2,1"], "at least 4 different values, not 3"),
        (["clients=4,2,4,1,8"], "names 4 twice"),
        (["cpus=0.1,0.2,0.4,none"], "not 'none'"),
        (["cpus=0.1,0.2,0.4,nan"], "not 'nan'"),
        (["cpus=0,0.2,0.4,0.8"], "from 0.01 to 1,024"),
        (["cpus=0.1,0.2,0.20,0.4"], "names 0.2 twice"),
        (["cpus=1,2,3,4", "--cpus", "0.2"], "--sweep and --cpus exclude"),
        (["maxmemory_mb=1,2,4,8"], "maxmemory_mb=1 is out of range"),
        (["clients=1,2,4,8", "--clients", "4"], "--sweep and --clients exclude"),
        (["clients=1,2,4,8", "--rate", "400"], "--sweep and --rate exclude"),
        (["clients=1,2,4,8", "--fail-if", "errors>0"], "--sweep and --fail-if exclude"),
        (["clients=1,2,4,8", "--html", "no/such/x.html"], "no folder"),
        (["clients=1,2,4,8", "--html", "-", "--csv", "-"], "only one document"),
    ],
)
def test_a_wrong_sweep_ends_with_2_before_anything_is_up(swept, options, says):
    code, out, err, _, opened = swept("--sweep", *options)
    assert (code, out, opened) == (2, "", [])
    assert says in " ".join(err.split())
    assert "\ndo: " in err


def test_settings_of_a_single_run_give_way_to_a_sweep(swept, tmp_path):
    (tmp_path / "scalelab.toml").write_text(
        '[bench]\nrate = 400.0\nclients = 9\ncpus = "2"\nfail-if = ["errors>0"]\n'
    )
    code, _, _, plans, _ = swept("--sweep", "cpus=1,2,4,8")
    assert code == 0
    assert {(plan.load.rate, plan.load.clients) for plan in plans} == {(None, 9)}
