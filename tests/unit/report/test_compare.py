"""Two stored runs against each other."""

import csv
import dataclasses
import io
import json

import pytest
from rich.console import Console

from scalelab.errors import UsageError
from scalelab.report import compare


def faster(result, factor):
    return dataclasses.replace(
        result,
        started=result.started + 3600,
        summaries=tuple(
            dataclasses.replace(
                s, throughput=s.throughput * factor, by_round=tuple(x * factor for x in s.by_round)
            )
            for s in result.summaries
        ),
    )


def printed(changes, width=100):
    out = io.StringIO()
    Console(file=out, width=width).print(compare.render(changes))
    return out.getvalue()


def test_every_variant_has_its_ratio(replication):
    changes = compare.compare(faster(replication, 1.5), replication)
    assert [row.variant for row in changes.variants] == [s.name for s in replication.summaries]
    for row in changes.variants:
        assert row.ratio == pytest.approx(1.5)
        assert row.ratio_low < 1.5 < row.ratio_high
    assert changes.warnings == ()


@pytest.mark.parametrize("width", [60, 100])
def test_printed(replication, width):
    text = printed(compare.compare(faster(replication, 1.5), replication), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    flat = "".join(text.split())
    for said in ("1.50x", "13.6k", "20.4k", "2023-11-1423:13:20UTCagainst2023-11-1422:13:20UTC"):
        assert said in flat
    assert "not paired" in " ".join(text.split())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lab": "caching"}, "of lab 'caching', the other of lab 'replication'"),
        ({"counted": "write"}, "a count of 'writes', the other a count of 'reads'"),
    ],
)
def test_what_does_not_compare_is_refused(replication, changed, said):
    with pytest.raises(UsageError, match=said):
        compare.compare(dataclasses.replace(replication, **changed), replication)


def test_runs_without_a_common_variant_are_refused(replication):
    one, other = (
        dataclasses.replace(replication, summaries=(s,)) for s in replication.summaries[:2]
    )
    with pytest.raises(UsageError, match="share no variant"):
        compare.compare(one, other)


def test_whatever_was_unlike_is_a_warning(replication):
    odd = dataclasses.replace(
        replication,
        runtime="docker",
        budgeted=False,
        load=dataclasses.replace(replication.load, clients=3),
        host={"cpus": 64, "kernel": "6.1", "steal_share": 0.5},
        versions={"postgres": "17"},
        quick=True,
        summaries=(
            dataclasses.replace(replication.summaries[0], cpu_share=0.97),
            replication.summaries[1],
        ),
    )
    said = compare.compare(odd, replication).warnings
    assert said == (
        "the runtimes differ: docker, was local",
        "the budgets differ: every node 0.20 CPU (not enforced here), 256 MB, "
        "was every node 0.20 CPU, 256 MB",
        "the loads differ: clients 3, was 16, quick True, was False",
        "the versions differ: postgres 17, was 18.6",
        "the hosts differ: cpus 64, was 2",
        "single: the load generator was the limit in this run, so the ratio says little of the "
        "servers",
        "only in the other run: sync-replicas",
    )


def test_documents(replication):
    changes = compare.compare(replication, replication)
    document = json.loads(compare.dump(changes))
    assert (document["schema"], document["version"]) == ("scalelab.comparison", 1)
    assert list(document) == [
        "schema",
        "version",
        "lab",
        "counted",
        "started_unix_s",
        "baseline_started_unix_s",
        "variants",
        "warnings",
    ]
    rows = list(csv.DictReader(io.StringIO(compare.table_csv(changes))))
    assert list(rows[0]) == list(document["variants"][0])
    assert [float(row["ratio"]) for row in rows] == [1, 1, 1]
    assert rows[2]["p99_ms"] == ""
