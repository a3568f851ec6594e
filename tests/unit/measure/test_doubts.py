"""Each thing to doubt about a run has its sentence, and a clean run has none."""

import dataclasses

import pytest

from scalelab.measure.doubts import doubts, generator
from scalelab.model import Load, Rehearsal, StageSummary, VariantSummary

CLOSED = Load(clients=4, rate=None, duration_s=2, warmup_s=0, seed=1)
HOST = {"cpus": 2, "load_average_1min": 0.3, "steal_share": 0.0}


def summary(**changed):
    fields = dict.fromkeys(field.name for field in dataclasses.fields(VariantSummary))
    fields |= {
        "name": "a",
        "cpu_share": 0.5,
        "ceiling_share": 0.1,
        "send_lag_p99_ms": 0.1,
        "p99_ms": 5.0,
    }
    fields |= {"errors": {}, "error_share": 0.0, "operations": 1000}
    fields |= {"planned": 1000, "unsent": 0, "stages": ()}
    return VariantSummary(**{**fields, **changed})


def stage(overloaded=False):
    return StageSummary(500.0, 400.0, None, None, 90.0, 1000, 0, overloaded)


def said(*summaries, load=CLOSED, host=HOST, rounds=5, quick=False, budgeted=True, **more):
    return doubts(
        summaries or (summary(),),
        load,
        host,
        rounds=rounds,
        quick=quick,
        budgeted=budgeted,
        **{"overloaded": (), **more},
    )


def test_a_clean_run_has_nothing_to_doubt():
    assert said() == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cpu_share": 0.79}, ""),
        ({"cpu_share": 0.8}, "may distort"),
        ({"cpu_share": 0.9}, "invalid"),
        ({"ceiling_share": 0.79}, ""),
        ({"ceiling_share": 0.8}, "may distort the figure (its busiest worker did 80% of what"),
        ({"ceiling_share": 0.9}, "invalid"),
        ({"send_lag_p99_ms": 0.9, "p99_ms": 1.0}, ""),
        ({"send_lag_p99_ms": 2.0, "p99_ms": 30.0}, ""),
        ({"send_lag_p99_ms": 2.0, "p99_ms": 20.0}, "ran late"),
        ({"send_lag_p99_ms": 2.0, "p99_ms": None}, ""),
        ({"send_lag_p99_ms": 2.0, "p99_ms": 20.0, "offered": 100.0}, "ran late"),
        # A wait for a client is the servers' doing.
        ({"client_wait_p99_ms": 19.0, "p99_ms": 20.0, "offered": 100.0}, ""),
    ],
)
def test_the_generator_watches_itself(changed, words):
    doubt = generator(summary(**changed))
    assert words in doubt
    assert bool(doubt) == bool(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budgeted": False}, "CPU budgets are not enforced"),
        ({"rounds": 4}, "a verdict takes 5 rounds"),
        ({"host": {**HOST, "steal_share": 0.07}}, "took 7% of its CPU time"),
        ({"host": {**HOST, "load_average_1min": 2.5}}, "busy before the run"),
        ({"load": dataclasses.replace(CLOSED, workers=3)}, "3 workers on 2 cores"),
    ],
)
def test_the_means(options, words):
    (only,) = said(**options)
    assert words in only


def test_a_quick_look_is_not_blamed_for_few_rounds():
    assert said(rounds=1, quick=True) == ()


def test_what_had_not_settled_is_named():
    rehearsals = (Rehearsal("a", 20.0, False), Rehearsal("b", 8.0, True), Rehearsal("c", 4.0, None))
    (only,) = said(rehearsals=rehearsals)
    assert only == ("a had not settled after 20 s of rehearsal: its throughput still changed")


def test_overload_names_the_variant():
    (only,) = said(summary(offered=500.0), overloaded=["a"])
    assert only.startswith("a: overloaded, less than 95% of the planned 500 operations/s")


def test_overload_names_the_stages_and_what_was_never_sent():
    stages = (stage(), stage(overloaded=True), stage(overloaded=True))
    (only,) = said(summary(offered=500.0, stages=stages, unsent=120), overloaded=["a"])
    assert only == (
        "a: overloaded in stage 2 and 3, less than 95% of the planned operations were answered, "
        "120 of 1,000 never sent; its percentiles are withheld"
    )


def test_nothing_is_dropped_silently():
    (only,) = said(summary(offered=500.0, unsent=3))
    assert only.startswith("a: 3 of 1,000 planned operations were never sent")


@pytest.mark.parametrize(
    ("waited_ms", "p99_ms", "warned"),
    [(0.5, 1.0, False), (5.0, 90.0, False), (60.0, 90.0, True), (None, None, False)],
)
def test_too_few_clients_are_told(waited_ms, p99_ms, warned):
    load = dataclasses.replace(CLOSED, rate=500.0)
    found = said(summary(offered=500.0, client_wait_p99_ms=waited_ms, p99_ms=p99_ms), load=load)
    assert bool(found) == warned
    if warned:
        assert "waited for a free client (p99 60 ms), all 4 were busy" in found[0]
        assert "--clients" in found[0]


def test_errors_are_listed_by_kind_most_frequent_first():
    errors = {"timeout": 5, "refused": 20, "x": 1, "y": 2}
    (only,) = said(summary(errors=errors))
    assert only == "a: 28 of 1,028 operations failed: 20 refused, 5 timeout, 2 y and 1 more kinds"
