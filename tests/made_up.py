"""Made-up runs, to print and to store."""

import dataclasses

import numpy as np

from scalelab.measure.histogram import Histogram
from scalelab.model import (
    Budget,
    ClaimResult,
    Comparison,
    Load,
    Rehearsal,
    RunResult,
    Stage,
    StageSummary,
    Struck,
    VariantSummary,
    WorkerReport,
)
from scalelab.report.sweep import Point, Shape, Sweep


def histogram(median_ms, samples=20_000):
    """Response times as a server's are: lognormal around a median."""
    times = Histogram()
    spread = np.random.default_rng(1).lognormal(sigma=0.6, size=samples)
    times.record(median_ms / 1000 * spread)
    return times.encode().decode()


def summary(name, throughput, p50, comparison=None, **changed):
    figures = VariantSummary(
        name=name,
        throughput=throughput,
        throughput_low=0.98 * throughput,
        throughput_high=1.02 * throughput,
        mean_ms=1.1 * p50,
        p50_ms=p50,
        p95_ms=2.3 * p50,
        p99_ms=4 * p50,
        max_ms=31.7 * p50,
        operations=110_000,
        errors={},
        error_share=0.0,
        judged=70_000,
        stale=0,
        stale_share=0.0,
        stale_max_age_ms=0.0,
        counts={"read": 100_000, "write": 10_000},
        cpu_share=0.61,
        ceiling_share=0.08,
        send_lag_p99_ms=0.04,
        offered=None,
        by_round=(0.98 * throughput, throughput, throughput, throughput, 1.02 * throughput),
        figures_by_round=({},) * 5,
        histogram=histogram(p50),
        comparison=comparison,
        service_p99_ms=4 * p50,
        planned=110_000,
    )
    return dataclasses.replace(figures, **changed)


def report(**changed):
    """What one worker saw of 1,000 reads in a second."""
    empty = Histogram().encode()
    figures = WorkerReport(
        elapsed_s=1.0,
        histograms={"read": empty},
        service={},
        send_lag=empty,
        counts={"read": 1000},
        errors={},
        timeline={"read": (100,) * 10 + (10,)},
        judged=0,
        stale=0,
        stale_max_age_ms=0.0,
        cpu_share=0.5,
        planned=1000,
        unsent=0,
    )
    return dataclasses.replace(figures, **changed)


def replication():
    """Three variants, stale reads, one claim of each outcome, a warning."""
    return RunResult(
        lab="replication",
        title="Read replicas",
        counted="read",
        runtime="local",
        budget=Budget(),
        budgeted=True,
        load=Load(clients=16, rate=None, duration_s=3.0, warmup_s=0.5, seed=42),
        rounds=5,
        order=(("single", "two-replicas", "sync-replicas"),) * 5,
        quick=False,
        aa=False,
        started=1_700_000_000.5,
        host={"cpus": 2, "load_average_1min": 0.4, "kernel": "6.1", "steal_share": 0.01},
        versions={"postgres": "18.6"},
        noop_ceiling=180_000.0,
        rehearsals=(
            Rehearsal("single", 8.0, True),
            Rehearsal("two-replicas", 12.0, True),
            Rehearsal("sync-replicas", 8.0, True),
        ),
        summaries=(
            summary("single", 13_600.0, 0.31),
            summary(
                "two-replicas",
                33_100.0,
                0.33,
                Comparison(2.43, 2.35, 2.52, 1e-5, "faster"),
                stale=1_230,
                stale_share=0.0176,
                stale_max_age_ms=4.2,
                errors={"connection refused": 12},
                error_share=0.0001,
            ),
            summary(
                "sync-replicas",
                14_000.0,
                12.3,
                Comparison(1.03, 0.94, 1.12, 0.4, "inconclusive"),
                p99_ms=None,
            ),
        ),
        claims=(
            ClaimResult("two replicas give 1.5x the reads", "confirmed", "2.43x [2.35, 2.52]"),
            ClaimResult("replicas serve stale reads", "refuted", "0 of 70,000 reads stale"),
            ClaimResult("it is fast", "inconclusive", ""),
        ),
        warnings=("single: the load generator may distort the figure",),
    )


def caching():
    """Two variants, one of which counts hits and misses."""
    cache = summary(
        "cache-aside",
        46_000.0,
        0.2,
        Comparison(3.38, 3.3, 3.5, 1e-6, "faster"),
        counts={"read": 100_000, "hit": 90_000, "miss": 10_000},
    )
    return dataclasses.replace(
        replication(),
        lab="caching",
        order=(("database", "cache-aside"), ("cache-aside", "database")) * 2
        + (("database", "cache-aside"),),
        summaries=(summary("database", 13_600.0, 1.2), cache),
        rehearsals=(Rehearsal("database", 8.0, True), Rehearsal("cache-aside", 20.0, False)),
        claims=(),
        warnings=(),
    )


def failover():
    """Three variants, two of which lose their primary at 1.5 s; one of them a write with it."""
    run = replication()
    single, asynchronous, synchronous = run.summaries
    ticks = [900.0] * 15 + [400.0] + [0.0] * 8 + [120.0, 700.0] + [1_000.0] * 14
    struck = (
        Struck("kill primary @1.5s", 1.52, None),
        Struck("promote replica1 @2s", 2.01, 3.3),
    )
    down = {"unavailable_s": 0.82, "recovery_s": 0.98, "recovered": 3.0, "duplicated": 0.0}
    return dataclasses.replace(
        run,
        lab="replication/failover",
        counted="write",
        load=dataclasses.replace(run.load, duration_s=4.0),
        summaries=(
            dataclasses.replace(single, figures={"lost": 0.0, "duplicated": 0.0}),
            dataclasses.replace(
                asynchronous, timeline=tuple(ticks), struck=struck, figures={"lost": 17.0, **down}
            ),
            dataclasses.replace(
                synchronous,
                timeline=tuple(value / 3 for value in ticks),
                struck=struck,
                figures={"lost": 0.0, **down},
            ),
        ),
    )


def staged():
    """Three variants in an open loop of three stages, one of which one variant could not take."""
    run = replication()
    stages = (Stage(200.0, 2.0), Stage(800.0, 1.0), Stage(200.0, 2.0))

    def opened(summary, slow):
        factor = 1 if slow else 2
        seen = tuple(
            StageSummary(
                offered=stage.rate,
                achieved=stage.rate / 2 if slow and stage.rate > 200 else stage.rate,
                p50_ms=None if slow and stage.rate > 200 else 1.2,
                p99_ms=None if slow and stage.rate > 200 else 9.7 * factor,
                max_ms=1_204.0 if slow else 31.0,
                planned=2_000,
                unsent=0,
                overloaded=slow and stage.rate > 200,
            )
            for stage in stages
        )
        withheld = dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms"))
        figures = {"service_p99_ms": 0.9, "client_wait_p99_ms": 0.31}
        if slow:
            figures = {**withheld, **dict.fromkeys(figures)}
        return dataclasses.replace(summary, offered=320.0, stages=seen, **figures)

    return dataclasses.replace(
        run,
        load=Load(64, 320.0, 5.0, 1.0, 42, arrivals="constant", stages=stages),
        summaries=tuple(opened(s, slow=s.name == "single") for s in run.summaries),
    )


SIZES = (1, 2, 4, 8, 16, 32)


def swept(sizes=SIZES):
    """A sweep of clients: one of its two variants has a knee at about 14, the other flattens."""

    def at(n):
        rates = (
            1000 * n / (1 + 0.02 * (n - 1) + 0.005 * n * (n - 1)),
            500 * n / (1 + 0.1 * (n - 1)),
        )
        run = caching()
        summaries = tuple(
            dataclasses.replace(
                each,
                throughput=rate,
                throughput_low=0.98 * rate,
                throughput_high=1.02 * rate,
                by_round=(rate,) * 5,
            )
            for each, rate in zip(run.summaries, rates, strict=True)
        )
        return dataclasses.replace(
            run, load=dataclasses.replace(run.load, clients=n), summaries=summaries
        )

    shapes = {
        "database": Shape("single", {}, 1),
        "cache-aside": Shape("caching", {"maxmemory_mb": 64, "policy": "allkeys-lru"}, 2),
    }
    points = tuple(Point(n, shapes, at(n)) for n in sizes)
    return Sweep("clients", 1, tuple(sizes), ("database", "cache-aside"), points)


def sized():
    """A sweep of replicas: a constant baseline, and a variant with a law."""

    def at(n):
        run = replication()
        rate = 5000 * n / (1 + 0.2 * (n - 1))
        single, two, _ = run.summaries
        return dataclasses.replace(
            run,
            order=(("single", "two-replicas"),) * 5,
            load=dataclasses.replace(run.load, clients=8 * (n + 1)),
            summaries=(single, dataclasses.replace(two, throughput=rate, by_round=(rate,) * 5)),
            claims=(),
        )

    points = tuple(
        Point(
            n,
            {
                "single": Shape("single", {}, 1),
                "two-replicas": Shape("replication", {"replicas": n}, n + 1),
            },
            at(n),
        )
        for n in (1, 2, 3, 4)
    )
    return Sweep("replicas", 1, (1, 2, 3, 4), ("two-replicas",), points)
