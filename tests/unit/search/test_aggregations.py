"""Any aggregation's answer becomes rows."""

from __future__ import annotations

from typing import Any

from scalelab.search import aggregations
from scalelab.search.aggregations import Row


def _one(answer: dict[str, Any]) -> aggregations.Table:
    (table,) = aggregations.tables({"x": answer})
    return table


def test_buckets_with_figures() -> None:
    table = _one(
        {
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": 7,
            "buckets": [
                {"key": "a", "doc_count": 3, "mean": {"value": 1.5}},
                {"key": "b", "doc_count": 1, "mean": {"value": None}},
            ],
        }
    )
    assert table.rows == (Row(0, "a", 3, {"mean": 1.5}), Row(0, "b", 1, {"mean": None}))
    assert (table.others, table.metrics, table.bucketed) == (7, ("mean",), True)


def test_buckets_in_buckets() -> None:
    years = {"buckets": [{"key": 1704067200000, "key_as_string": "2024", "doc_count": 2}]}
    tags = {"buckets": [{"key": "t", "doc_count": 1}]}
    table = _one({"buckets": [{"key": "a", "doc_count": 2, "years": years}]})
    assert table.rows == (Row(0, "a", 2), Row(1, "2024", 2))
    table = _one({"buckets": [{"key": "a", "doc_count": 2, "years": years, "tags": tags}]})
    assert table.rows == (
        Row(0, "a", 2),
        Row(1, "years", heading=True),
        Row(2, "2024", 2),
        Row(1, "tags", heading=True),
        Row(2, "t", 1),
    )


def test_a_single_bucket_and_what_is_in_it() -> None:
    inner = {"buckets": [{"key": "a", "doc_count": 1}]}
    table = _one({"doc_count": 5, "by": inner, "most": {"value": 9}})
    assert table.rows == (Row(0, "x", 5, {"most": 9}), Row(1, "a", 1))


def test_named_buckets_and_ranges() -> None:
    table = _one({"buckets": {"errors": {"doc_count": 2}, "rest": {"doc_count": 3}}})
    assert table.rows == (Row(0, "errors", 2), Row(0, "rest", 3))
    table = _one({"buckets": [{"key": "*-10.0", "to": 10.0, "doc_count": 1}]})
    assert table.rows == (Row(0, "*-10.0", 1),)


def test_composite_and_numeric_keys() -> None:
    table = _one({"after_key": {}, "buckets": [{"key": {"a": 1, "b": "x"}, "doc_count": 1}]})
    assert table.rows[0].label == "a=1, b=x"
    table = _one({"buckets": [{"key": 1000.0, "doc_count": 1}, {"key": ["a", 2], "doc_count": 1}]})
    assert [row.label for row in table.rows] == ["1,000", "a, 2"]


def test_figures_without_buckets() -> None:
    assert _one({"value": 3}).rows == (Row(0, "", None, {"value": 3}),)
    stats = {"count": 2, "min": 1.0, "max": 3.0, "avg": 2.0, "sum": 4.0}
    assert _one(stats).rows == (Row(0, "", None, stats),)
    assert _one({"values": {"50.0": 1, "99.9": 2}}).rows[0].metrics == {"p50": 1, "p99.9": 2}
    assert _one({"values": [{"key": 50.0, "value": 1}]}).rows[0].metrics == {"p50": 1}
    assert not _one({"value": 3}).bucketed


def test_dates_and_structures_are_readable() -> None:
    assert _one({"value": 1.7e12, "value_as_string": "2024"}).rows[0].metrics == {"value": "2024"}
    corner = {"lat": 1, "lon": 2}
    found = _one({"bounds": {"top_left": corner}}).rows[0].metrics
    assert found == {"bounds": '{"top_left": {"lat": 1, "lon": 2}}'}


def test_top_hits_are_named() -> None:
    hits = {"hits": {"hits": [{"_id": str(i)} for i in range(5)]}}
    table = _one({"buckets": [{"key": "a", "doc_count": 5, "best": hits}]})
    assert table.rows[0].metrics == {"best": "0, 1, 2"}


def test_no_buckets_is_an_empty_table() -> None:
    assert _one({"buckets": []}).rows == ()
    assert aggregations.tables({}) == ()
