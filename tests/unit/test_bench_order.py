"""A run without servers: the order of its slices, its seeds, and what stops it."""

import dataclasses
import re
import threading
from collections import Counter

import pytest

from scalelab import bench
from scalelab.errors import (
    CheckFailed,
    EnvironmentLacks,
    NodeDied,
    UnknownName,
    UsageError,
    WorkerLost,
)
from scalelab.measure import host
from scalelab.measure.cost import Prices
from scalelab.measure.histogram import Histogram
from scalelab.model import (
    Address,
    Budget,
    Claim,
    Cluster,
    Lab,
    Load,
    Node,
    Place,
    Topology,
    Variant,
    WorkerReport,
)

LAB = Lab(
    title="Test",
    question="?",
    counted="read",
    variants=tuple(Variant(name, "single", "w", options={"name": name}) for name in "abc"),
    claims=(Claim("b is faster", "b", "ratio", low=1.5),),
)
LOAD = Load(clients=4, rate=None, duration_s=1, warmup_s=0, seed=42)
CLUSTERS = {
    name: Cluster(name, "local", Topology("single", {}, ()), {}, Budget(), "up", 0.0)
    for name in "abc"
}


class Pool:
    """Answers at once, with the speed each variant is given; ``busy`` is each call's CPU share."""

    where = ""

    def __init__(self, reads=None, errors=None, busy=(), most=1):
        self.workers, self.most, self.busy = 1, most, list(busy)
        self.reads = {"a": 1000, "b": 2000, "c": 1000, **(reads or {})}
        self.errors = errors or {}
        self.calls = []

    def run(self, places, workload, options, load):
        name = options["name"]
        self.calls.append((name, load))
        empty = Histogram().encode()
        reads = self.reads[name]
        return (
            WorkerReport(
                elapsed_s=1.0,
                histograms={"read": empty},
                service={},
                send_lag=empty,
                counts={"read": reads},
                errors=self.errors.get(name, {}),
                timeline={"read": (reads // 10,) * 100},
                judged=0,
                stale=0,
                stale_max_age_ms=0.0,
                cpu_share=self.busy.pop(0) if self.busy else 0.5,
                planned=reads,
                unsent=0,
            ),
        )

    def completed(self):
        return 0

    def grow(self):
        grown = self.workers < self.most
        self.workers += grown
        return grown

    def noop_ceiling(self):
        return 1e6


class LosesWorkers(Pool):
    """Loses a worker in these of its slices, counted from 0."""

    def __init__(self, *lost):
        super().__init__()
        self.lost = lost

    def run(self, places, workload, options, load):
        reports = super().run(places, workload, options, load)
        if len(self.calls) - 1 in self.lost:
            raise WorkerLost("a load worker died", "look at its log")
        return reports


class Workload:
    def __init__(self, error=None):
        self.loaded, self.error = [], error

    def load(self, places):
        self.loaded.append(places)
        if self.error:
            raise self.error


def run(pool=None, load=LOAD, lab=LAB, clusters=CLUSTERS, workload=None, **options):
    pool = pool or Pool()
    return bench.run("test", lab, clusters, load, pool, {"w": workload or Workload()}, **options)


def measured(pool, rounds):
    """The calls of the rounds; before them each variant has a slice of rehearsal."""
    assert [name for name, _ in pool.calls[:3]] == ["a", "b", "c"]
    assert len(pool.calls) == 3 + 3 * rounds
    return pool.calls[3:]


def order_of(pool, rounds):
    names = [name for name, _ in measured(pool, rounds)]
    size = len(names) // rounds
    return [tuple(names[n * size : (n + 1) * size]) for n in range(rounds)]


def test_every_round_has_every_variant():
    pool = Pool()
    run(pool, rounds=20)
    assert all(sorted(names) == ["a", "b", "c"] for names in order_of(pool, 20))


def test_the_order_is_drawn_anew_each_round():
    orders = Counter(tuple(bench.order("abc", 42, number)) for number in range(600))
    assert len(orders) == 6
    assert min(orders.values()) > 60  # 100 expected


def test_the_order_follows_the_seed():
    first, again, other = Pool(), Pool(), Pool()
    run(first, rounds=10)
    run(again, rounds=10)
    run(other, load=dataclasses.replace(LOAD, seed=43), rounds=10)
    assert first.calls == again.calls
    assert order_of(first, 10) != order_of(other, 10)


def test_variants_of_a_round_share_a_seed_and_rounds_do_not():
    pool = Pool()
    run(pool, rounds=4)
    seeds = [load.seed for _, load in measured(pool, 4)]
    assert [len(set(seeds[n : n + 3])) for n in range(0, 12, 3)] == [1] * 4
    assert len(set(seeds)) == 4


def test_results_are_in_the_order_of_the_clusters():
    chosen = {name: CLUSTERS[name] for name in ("c", "b")}
    result = run(clusters=chosen)
    assert [summary.name for summary in result.summaries] == ["c", "b"]
    assert result.summaries[1].comparison.verdict == "faster"
    assert result.claims == ()  # they speak of the lab's own baseline


def test_a_run_says_what_it_found_and_where():
    result = run(versions={"postgres": "18"})
    assert [summary.throughput for summary in result.summaries] == [1000, 2000, 1000]
    assert [claim.outcome for claim in result.claims] == ["confirmed"]
    assert result.load.seed == 42
    assert {"cpus", "memory_bytes", "kernel", "python", "scalelab"} <= set(result.host)
    assert result.versions == {"postgres": "18"}


def test_a_run_with_prices_says_what_throughput_costs():
    at = Address("127.0.0.1", 1)
    node = Place("c", Node("n", "postgres", "shard"), at, at, at, "", "", "x", Budget())
    clusters = {
        name: dataclasses.replace(CLUSTERS[name], places=dict.fromkeys(nodes, node))
        for name, nodes in (("a", "1"), ("b", "123"), ("c", "1"))
    }
    larger = dataclasses.replace(LAB.variants[2], scale=3)
    lab = dataclasses.replace(LAB, variants=(*LAB.variants[:2], larger))
    prices = Prices("EUR", {1.0: 40.0}, "a test")
    result = run(lab=lab, clusters=clusters, prices=prices)
    costs = [summary.figures.get("cost_per_1000") for summary in result.summaries]
    assert costs == [40, 60, None]  # nobody said what a machine of three times the size costs
    assert result.host["prices"] == "EUR a month, by a test"
    assert "prices" not in run().host


def test_data_is_loaded_once_a_cluster():
    workload = Workload()
    shared = dict.fromkeys("abc", CLUSTERS["a"])
    run(clusters=shared, workload=workload)
    assert len(workload.loaded) == 1


def test_clusters_are_loaded_side_by_side():
    class Meets(Workload):
        """Loads one cluster only while all three are loaded."""

        here = threading.Barrier(3, timeout=60)

        def load(self, places):
            self.here.wait()
            super().load(places)

    workload = Meets()
    run(workload=workload)
    assert len(workload.loaded) == 3


def test_a_foreign_error_while_loading_is_translated():
    with pytest.raises(EnvironmentLacks, match=r"^[abc]: the data of workload 'w' .* refused$"):
        run(workload=Workload(OSError("connection refused\nsecond line")))
    with pytest.raises(NodeDied, match="mine"):
        run(workload=Workload(NodeDied("mine")))


def test_a_variant_that_answers_nothing_stops_the_run():
    pool = Pool(reads={"b": 0}, errors={"b": {"connection refused": 90, "timeout": 10}})
    with pytest.raises(CheckFailed, match="b completed no read in round 1: 90 of its 100 errors"):
        run(pool)
    # b answers nothing in its rehearsal either, which ends at once; no round after the first.
    assert [name for name, _ in pool.calls[:3]] == ["a", "b", "c"]
    assert len(pool.calls) <= 3 + 3
    with pytest.raises(CheckFailed, match="completed no read") as caught:
        run(Pool(reads={"b": 0}))
    assert "--duration" in caught.value.hint


def test_a_slice_that_breaks_off_names_variant_and_round(monkeypatch):
    pool = Pool()
    monkeypatch.setattr(pool, "run", lambda *_: 1 / 0)
    with pytest.raises(CheckFailed, match=r"a broke off in its rehearsal: division by zero"):
        run(pool)


def test_counted_errors_are_warned_of_and_the_run_goes_on():
    result = run(Pool(errors={"b": {"timeout": 3}}))
    assert any("b: 15 of 10,015 operations failed: 15 timeout" in w for w in result.warnings)


def test_warnings_about_the_means():
    unbudgeted = {name: dataclasses.replace(c, budgeted=False) for name, c in CLUSTERS.items()}
    pool = Pool()
    pool.workers = 999
    result = run(pool, clusters=unbudgeted, rounds=3)
    said = "\n".join(result.warnings)
    assert "CPU budgets are not enforced" in said
    assert "999 workers" in said
    pool.where = "Dask workers of tcp://10.0.0.7:8786"
    elsewhere = run(pool, clusters=unbudgeted, rounds=3)
    assert elsewhere.host["load_from"] == pool.where
    assert "999 workers" not in "\n".join(elsewhere.warnings)  # other machines have their own cores
    assert "a verdict takes 5 rounds" in said
    assert [claim.outcome for claim in result.claims] == ["inconclusive"]
    mixed = {**CLUSTERS, "b": dataclasses.replace(CLUSTERS["b"], budget=Budget(cpus=1.0))}
    assert any("different" in warning for warning in run(clusters=mixed).warnings)


def test_rehearsals_are_in_the_result_and_warned_of(monkeypatch):
    result = run()
    assert [(r.variant, r.driven_s, r.settled) for r in result.rehearsals] == [
        (name, 6.0, True) for name in "abc"
    ]
    assert result.noop_ceiling == 1e6
    assert result.summaries[0].ceiling_share == pytest.approx(0.001)
    monkeypatch.setattr("scalelab.measure.warmup.settled", lambda bins: False)
    result = run()
    assert result.rehearsals[0].settled is False
    assert [w for w in result.warnings if "had not settled" in w] == [
        f"{name} had not settled after 15 s of rehearsal: its throughput still changed"
        for name in "abc"
    ]


def test_a_worker_more_serves_every_counted_slice(monkeypatch):
    monkeypatch.setattr("scalelab.measure.host.cpus", lambda: 4)
    # a has a slice of rehearsal, then b's first one saturates the generator.
    pool = Pool(busy=[0.5, 0.93], most=2)
    result = run(pool)
    assert [load.workers for name, load in pool.calls[:4]] == [1, 1, 2, 2]
    assert {load.workers for _, load in pool.calls[2:]} == {2}
    assert result.load.workers == 2
    assert [r.added_at for r in result.rehearsals] == [(), (0.93,), ()]
    # Saturated again, and there can be no more.
    assert run(Pool(busy=[0.99] * 99, most=3)).load.workers == 3


def test_a_variant_against_itself_is_rehearsed_once():
    first = LAB.variants[0]
    again = dataclasses.replace(first, name="a again")
    twice = dataclasses.replace(LAB, variants=(first, again), claims=())
    pool = Pool()
    result = run(pool, lab=twice, clusters=dict.fromkeys(("a", "a again"), CLUSTERS["a"]), aa=True)
    assert len(pool.calls) == 1 + 2 * 5
    assert [rehearsal.variant for rehearsal in result.rehearsals] == ["a"]
    assert result.aa
    assert result.summaries[1].comparison.verdict == "same"


def test_what_a_reader_needs_to_repeat_a_run_is_in_it():
    result = run(versions={"postgres": "18"})
    assert {"kernel", "python", "scalelab", "cpus", "load_average_1min"} <= set(result.host)
    # Of an installed package, or one without its repository, there is none to be told.
    assert result.host.get("commit", "") == host.commit()
    assert re.fullmatch(r"([0-9a-f]{12}(-dirty)?)?", host.commit())
    assert (result.load.seed, result.budget, result.runtime) == (42, Budget(), "local")


def test_a_quick_look_gives_no_verdict():
    result = run(quick=True, rounds=1)
    assert result.summaries[1].comparison.verdict == ""
    assert [claim.outcome for claim in result.claims] == ["inconclusive"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"clusters": {"d": CLUSTERS["a"]}}, UnknownName),
        ({"clusters": {}}, UsageError),
        ({"rounds": 0}, UsageError),
    ],
)
def test_what_makes_no_sense(options, error):
    with pytest.raises(error):
        run(**options)


def test_a_round_that_lost_a_worker_counts_for_nothing_and_is_driven_again():
    # Three slices of rehearsal, then round 1; the second slice of round 2 loses a worker.
    pool = LosesWorkers(3 + 3 + 1)
    result = run(pool, rounds=2)
    assert "round 2 was discarded and driven again: a load worker died" in result.warnings
    assert all(len(summary.by_round) == 2 for summary in result.summaries)
    names, seeds = zip(*[(name, load.seed) for name, load in pool.calls], strict=True)
    assert len(pool.calls) == 3 + 3 + 2 + 3
    assert names[6:8] == names[8:10]  # the whole round, in its order, with its keys
    assert set(seeds[6:8]) == set(seeds[8:])


def test_a_rehearsal_that_lost_a_worker_is_driven_again():
    pool = LosesWorkers(0)
    result = run(pool, rounds=2)
    assert len(pool.calls) == 4 + 6
    assert "the rehearsal of a was discarded and driven again: a load worker died" in (
        result.warnings
    )


def test_a_run_that_loses_workers_again_and_again_ends():
    pool = LosesWorkers(*range(3, 100))
    with pytest.raises(CheckFailed, match="3 load workers were lost, the last one in round 1"):
        run(pool, rounds=2)
    assert len(pool.calls) == 3 + 3
