"""A sweep as JSON, written and read back strictly; and as CSV."""

import copy
import csv
import io
import json

import pytest

from scalelab.errors import UsageError
from scalelab.report import document, forms, sweep, sweep_csv
from tests import made_up


def test_json_holds_every_run_whole_and_the_laws(swept):
    built = json.loads(sweep.dump(swept))
    assert (built["schema"], built["version"]) == ("scalelab.sweep", 2)
    assert list(built) == [
        *("schema", "version", "parameter", "unit", "asked", "varied", "points", "laws")
    ]
    assert [each["value"] for each in built["points"]] == list(made_up.SIZES)
    for each, point in zip(built["points"], swept.points, strict=True):
        assert document.load(json.dumps(each["run"])) == point.run
    assert built["points"][0]["shapes"]["cache-aside"]["nodes"] == 2
    laws = built["laws"]
    assert laws["database"]["universal"]["knee"] == pytest.approx(14, abs=0.1)
    assert laws["cache-aside"]["amdahl"]["contention"] == pytest.approx(0.1, abs=1e-3)
    assert laws["cache-aside"]["amdahl"]["knee"] is None


@pytest.mark.parametrize("name", ["swept", "sized"])
def test_what_is_written_is_read_back(name, request):
    there = request.getfixturevalue(name)
    text = sweep.dump(there)
    assert sweep.load(text) == there
    assert sweep.dump(sweep.load(text)) == text
    assert forms.load(text) == there


def test_a_sweep_that_broke_off_is_read_back(swept):
    half = sweep.Sweep("clients", 1, swept.asked, swept.varied, swept.points[1:3])
    assert json.loads(sweep.dump(half))["laws"] == {"database": None, "cache-aside": None}
    assert sweep.load(sweep.dump(half)).missing == (1, 8, 16, 32)


def change(built, path, value):
    *folders, last = path
    for each in folders:
        built = built[each]
    if value is ...:
        del built[last]
    else:
        built[last] = value


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("schema",), "other", "is not a scalelab sweep"),
        (("version",), 1, "has version 1 of the schema, not 2"),
        (("parameter",), 7, "parameter is 7, not a text"),
        (("parameter",), "a\x1b[2J", "control characters"),
        (("unit",), ..., "unit is missing"),
        (("unit",), 0, "unit is 0"),
        (("unit",), 3, "unit is 3"),
        (("unit",), float("nan"), "NaN is no JSON number"),
        (("more",), 1, "more is unknown"),
        (("asked",), [1, 2, 4, 8, 32, 16], "asked are not ascending"),
        (("asked",), [1, 2, 4, 8], "not asked for"),
        (("varied",), [], "varied are not of its variants"),
        (("varied",), ["nobody"], "varied are not of its variants"),
        (("varied",), ["database", "database"], "varied has a name twice"),
        (("points",), [], "it has no points"),
        (("points",), {}, "points is not a list"),
        (("points", 0), 3, "points[0] is not an object"),
        (("points", 0, "value"), 2, "points are not ascending"),
        (("points", 0, "value"), "1", "points[0].value is '1', not a number"),
        (("points", 0, "run"), 3, "points[0].run is not an object"),
        (("points", 1, "run", "schema"), "x", "points[1] is not a scalelab run"),
        (("points", 1, "run", "rounds"), 9, "points[1] is damaged: order is not"),
        (("points", 1, "run", "lab"), "other", "points[1].run is of another lab"),
        (("points", 1, "shapes", "database"), ..., "points[1].shapes are not those"),
        (("points", 1, "shapes", "database", "nodes"), "1", "nodes is '1', not a whole number"),
        (("laws",), ..., "laws are not those"),
        (("laws", "database"), ..., "laws are not those"),
    ],
)
def test_what_is_no_sweep_is_refused_with_its_reason(swept, path, value, says):
    built = copy.deepcopy(json.loads(sweep.dump(swept)))
    change(built, path, value)
    with pytest.raises(UsageError) as caught:
        sweep.load(json.dumps(built), "x.json")
    assert caught.value.message.startswith("x.json")
    assert says in caught.value.message
    assert caught.value.hint


def test_runs_and_sweeps_are_told_apart(swept, caching):
    assert forms.load(document.dump(caching)) == caching
    for text in ("[]", "{}", '{"schema": "scalelab.status", "version": 1}'):
        with pytest.raises(UsageError, match="is not a scalelab run"):
            forms.load(text)
    with pytest.raises(UsageError, match="is not a scalelab sweep"):
        sweep.load(document.dump(caching))


def test_csv_has_a_row_for_each_value_and_variant(sized):
    rows = list(csv.DictReader(io.StringIO(sweep_csv.render(sized))))
    assert [(row["value"], row["variant"], row["nodes"], row["varied"]) for row in rows[:4]] == [
        ("1", "single", "1", "no"),
        ("1", "two-replicas", "2", "yes"),
        ("2", "single", "1", "no"),
        ("2", "two-replicas", "3", "yes"),
    ]
    assert {row["parameter"] for row in rows} == {"replicas"}
    assert [row["clients"] for row in rows[::2]] == ["16", "24", "32", "40"]
    assert float(rows[1]["throughput_per_s"]) == 5000
    assert float(rows[1]["round_5_per_s"]) == 5000
