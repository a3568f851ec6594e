"""The JSON document: its schema is pinned here, because scripts rely on it."""

import json

import pytest

from scalelab.errors import UsageError
from scalelab.report import document

KEYS = [
    "schema",
    "version",
    "lab",
    "title",
    "counted",
    "runtime",
    "budget",
    "budgeted",
    "load",
    "rounds",
    "order",
    "quick",
    "aa",
    "started_unix_s",
    "host",
    "versions",
    "noop_ceiling_per_s",
    "rehearsals",
    "variants",
    "claims",
    "warnings",
]
VARIANT_KEYS = [
    "name",
    "throughput_per_s",
    "throughput_low_per_s",
    "throughput_high_per_s",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "operations",
    "errors",
    "error_share",
    "judged",
    "stale",
    "stale_share",
    "stale_max_age_ms",
    "counts",
    "generator_cpu_share",
    "generator_ceiling_share",
    "send_lag_p99_ms",
    "offered_per_s",
    "throughput_by_round_per_s",
    "histogram",
    "comparison",
    "service_p99_ms",
    "client_wait_p99_ms",
    "planned",
    "unsent",
    "stages",
    "figures",
    "figures_by_round",
    "throughput_timeline_per_s",
    "struck",
]


def test_schema_is_pinned(replication):
    built = document.build(replication)
    assert (built["schema"], built["version"]) == ("scalelab.run", 5)
    assert list(built) == KEYS
    assert list(built["budget"]) == ["cpu_cores", "memory_bytes", "disk_bytes"]
    assert list(built["load"]) == [
        "clients",
        "rate_per_s",
        "duration_s",
        "warmup_s",
        "seed",
        "workers",
        "arrivals",
        "stages",
    ]
    assert [list(variant) for variant in built["variants"]] == [VARIANT_KEYS] * 3
    assert built["variants"][0]["comparison"] is None
    assert list(built["variants"][1]["comparison"]) == [
        "ratio",
        "ratio_low",
        "ratio_high",
        "p_value",
        "verdict",
    ]
    assert [list(each) for each in built["rehearsals"]] == [
        ["variant", "driven_s", "settled", "worker_added_at_cpu_shares"]
    ] * 3
    assert list(built["claims"][0]) == ["text", "outcome", "figure"]


def test_schema_of_stages_is_pinned(staged):
    built = document.build(staged)
    assert built["load"]["stages"][1] == {"rate_per_s": 800.0, "duration_s": 1.0}
    assert list(built["variants"][0]["stages"][1]) == [
        "offered_per_s",
        "achieved_per_s",
        "p50_ms",
        "p99_ms",
        "max_ms",
        "planned",
        "unsent",
        "overloaded",
    ]


def test_stages_must_be_those_of_the_load(staged):
    whole = document.build(staged)
    whole["variants"][1]["stages"].pop()
    with pytest.raises(UsageError, match=r"variants\[1\].stages are not those of the load"):
        document.load(json.dumps(whole))


@pytest.mark.parametrize("name", ["replication", "caching", "staged"])
def test_round_trip(name, request):
    result = request.getfixturevalue(name)
    assert document.load(document.dump(result)) == result


def test_figures_keep_their_type(replication):
    loaded = document.load(document.dump(replication))
    assert type(loaded.host["cpus"]) is int
    assert type(loaded.host["steal_share"]) is float


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "not a scalelab run"),
        ('{"schema": "k6"}', "not a scalelab run"),
        ('{"schema": "scalelab.run", "version": 1}', "version 1"),
        ('{"schema": "scalelab.run", "version": true}', "version True"),
        ('{"schema": "scalelab.run"}', "version None"),
        ('{"schema": "scalelab.run", "version": 2}', "version 2"),
        ('{"schema": "scalelab.run", "version": 5}', "lab is missing"),
        ('{"x": NaN}', "NaN"),
        ('{"x": 1e999}', "too large"),
    ],
)
def test_what_is_not_a_run(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        document.load(text, "run.json")
    assert caught.value.message.startswith("run.json")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rounds",), "5", "rounds is '5', not a whole number"),
        (("rounds",), True, "rounds is True"),
        (("rounds",), 5.0, "rounds is 5.0"),
        (("quick",), 0, "quick is 0"),
        (("variants",), {}, "variants is not a list"),
        (("variants",), [], "no variants"),
        (("variants", 1, "p99_ms"), "fast", r"variants\[1\].p99_ms is 'fast'"),
        (("variants", 1, "comparison", "ratio"), None, r"variants\[1\].comparison.ratio is None"),
        (("variants", 0, "counts"), [], r"variants\[0\].counts is not an object"),
        (("variants", 0, "throughput_by_round_per_s", 2), None, r"per_s\[2\] is None"),
        (("load", "rate"), 3, "load.rate is unknown"),
        (("budget",), 3, "budget is not an object"),
        (("rounds",), 4, "order is not that of its 4 rounds"),
        (("order", 2), ["single"] * 3, "order is not that of its 5 rounds"),
        (("variants", 1, "name"), "single", "two variants of one name"),
        (("variants", 0, "throughput_by_round_per_s"), [1.0], "is not of all rounds"),
        (("variants", 0, "figures_by_round"), [{}], r"figures_by_round is not of all rounds"),
        (("variants", 0, "throughput_per_s"), 10**400, r"throughput_per_s is 1000"),
        (("variants", 1, "histogram"), "", r"variants\[1\].histogram is not one"),
        (("variants", 1, "histogram"), "HISTFAAAA", r"variants\[1\].histogram is not one"),
        (("variants", 1, "histogram"), "é", r"variants\[1\].histogram is not one"),
        (("started_unix_s",), 1e300, "started_unix_s is 1e"),
        (("aa",), True, "A/A run has two variants"),
        (("rehearsals", 0, "settled"), "yes", r"rehearsals\[0\].settled is 'yes'"),
        (("title",), "\x1b[2J", "title has control characters"),
        (("title",), "\ud800", "title has control characters"),
        (("versions",), {"\x00": ""}, "versions has control characters"),
    ],
)
def test_a_damaged_place_is_named(replication, path, value, said):
    whole = document.build(replication)
    *inner, last = path
    place = whole
    for step in inner:
        place = place[step]
    place[last] = value
    with pytest.raises(UsageError, match=said):
        document.load(json.dumps(whole))


def test_a_missing_key_is_named(replication):
    whole = document.build(replication)
    del whole["variants"][2]["p99_ms"]
    with pytest.raises(UsageError, match=r"variants\[2\].p99_ms is missing"):
        document.load(json.dumps(whole))
