"""The CSV: one row a variant, one column a round."""

import csv
import io

from scalelab.report import table_csv


def rows(result):
    return list(csv.DictReader(io.StringIO(table_csv.render(result))))


def test_a_row_a_variant_and_a_column_a_round(replication):
    single, two, sync = rows(replication)
    assert [single["variant"], two["variant"], sync["variant"]] == [
        "single",
        "two-replicas",
        "sync-replicas",
    ]
    assert float(single["throughput_per_s"]) == 13_600
    assert [float(two[f"round_{n}_per_s"]) for n in (1, 2, 5)] == [32_438, 33_100, 33_762]
    assert "round_6_per_s" not in single


def test_what_is_not_there_is_empty(replication):
    single, two, sync = rows(replication)
    assert single["ratio"] == single["verdict"] == single["hits"] == ""
    assert sync["p99_ms"] == ""
    assert (two["ratio"], two["verdict"], two["errors"]) == ("2.43", "faster", "12")


def test_hits(caching):
    assert [row["hits"] for row in rows(caching)] == ["", "90000"]


def test_an_open_loop(staged):
    single, two, _ = rows(staged)
    assert (two["offered_per_s"], two["service_p99_ms"], two["client_wait_p99_ms"]) == (
        "320.0",
        "0.9",
        "0.31",
    )
    assert (two["planned"], two["unsent"]) == ("110000", "0")
    assert single["service_p99_ms"] == ""
