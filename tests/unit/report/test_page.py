"""The HTML page: whole, self-contained, and safe with any name."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from scalelab.measure.histogram import Histogram
from scalelab.report import compare, page, plots, words

HOSTILE = '<script>alert(\'"&x")</script>\x00\x1b[2J\ud800]]>{{ 7*7 }}'


def parsed(text):
    """The page as a tree: it is well-formed XML besides being HTML."""
    assert text.startswith("<!DOCTYPE html>")
    return ET.fromstring(text)


def cells(tree):
    return ["".join(cell.itertext()) for cell in tree.iter("td")]


@pytest.mark.parametrize("name", ["replication", "caching", "staged"])
def test_well_formed_and_self_contained(name, request):
    result = request.getfixturevalue(name)
    text = page.render(result)
    tree = parsed(text)
    assert not re.search(r"https?:|//\w|url\(|@import|\bsrc=|\bhref=", text)
    assert not {"script", "link", "img", "iframe", "object"} & {e.tag for e in tree.iter()}
    assert not any(key.startswith("on") for e in tree.iter() for key in e.attrib)
    assert len(text) < 200_000


def test_every_figure_is_there(replication):
    text = page.render(replication)
    found = cells(parsed(text))
    for summary in replication.summaries:
        bounds = words.interval(summary.throughput_low, summary.throughput_high)
        assert f"{words.thousands(summary.throughput)} {bounds}" in found
        for figure in (summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms):
            assert words.ms(figure) in found
        for value in summary.by_round:
            assert words.thousands(value) in found
    for said in (
        *("2.43x [2.35, 2.52]", "inconclusive", "12 connection refused", "1,230 (1.8%)"),
        *(claim.outcome for claim in replication.claims),
    ):
        assert said in found
    for said in (*replication.warnings, "seed 42", "postgres 18.6", "2023-11-14 22:13:20 UTC"):
        assert said in text


def test_an_open_loop_shows_its_parts_and_its_stages(staged):
    tree = parsed(page.render(staged))
    tables = {
        "".join(table.find("caption").itertext()): [
            ["".join(cell.itertext()) for cell in row] for row in table.iter("tr")
        ]
        for table in tree.iter("table")
    }
    apart = next(rows for caption, rows in tables.items() if "sending" in caption)
    assert apart[0] == ["p99 ms", "response", "service", "client wait", "send lag"]
    assert apart[1] == ["single", "–", "–", "–", "0.040"]
    assert apart[2] == ["two-replicas", "1.3", "0.90", "0.31", "0.040"]
    stages = next(rows for caption, rows in tables.items() if "each stage" in caption)
    assert len(stages) == 1 + 3 * 3
    assert stages[4] == ["2: 800/s for 1 s", "single", "400", "–", "–", "1,204", "overloaded"]


def test_facts_of_the_host_have_their_units(replication):
    host = {"cpus": 2, "memory_bytes": 25_276_500_000, "steal_share": 0.0004}
    text = page.render(dataclasses.replace(replication, host=host))
    assert "<dd>cpus 2, memory 23.5 GB, steal &lt;0.1%</dd>" in text


def test_hits_and_their_order(caching):
    found = cells(parsed(page.render(caching)))
    assert "90%" in found
    assert "cache-aside, database" in found


def test_a_screen_reader_finds_its_way(replication):
    tree = parsed(page.render(replication, compare.compare(replication, replication)))
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch(r"h\d", str(e.tag))]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert all(table.find("caption") is not None for table in tree.iter("table"))
    assert all(th.get("scope") in ("row", "col") for th in tree.iter("th"))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    figures = [svg for svg in tree.iter("svg") if svg.get("aria-hidden") != "true"]
    assert len(figures) == 2 * 4
    for svg in figures:
        assert svg.get("role") == "img"
        assert set(svg.get("aria-labelledby").split()) <= set(ids)
        assert svg.find("title").text
        assert svg.find("desc").text


def test_hostile_names_are_text(replication):
    odd = dataclasses.replace(
        replication,
        lab=HOSTILE,
        title=HOSTILE,
        host={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        summaries=tuple(
            dataclasses.replace(s, name=f"{HOSTILE}{n}", errors={HOSTILE: 1})
            for n, s in enumerate(replication.summaries)
        ),
        claims=(dataclasses.replace(replication.claims[0], text=HOSTILE, figure=HOSTILE),),
        warnings=(HOSTILE,),
        order=tuple(tuple(f"{HOSTILE}{n}" for n in range(3)) for _ in range(5)),
    )
    text = page.render(odd, compare.compare(odd, odd))
    tree = parsed(text)
    assert "<script" not in text
    assert "{{ 7*7 }}" in text
    assert "\x1b" not in text
    text.encode("utf-8")
    assert '<script>alert(\'"&x")</script>\ufffd' in "".join(tree.find(".//h1").itertext())


def test_a_run_against_another(replication):
    changes = compare.compare(replication, dataclasses.replace(replication, runtime="docker"))
    text = page.render(replication, changes)
    assert "the runtimes differ: local, was docker" in text
    assert "1.00x [0.98, 1.02]" in cells(parsed(text))


def test_withheld_latencies_have_no_curve(replication):
    none = dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms"))
    withheld = tuple(dataclasses.replace(s, **none) for s in replication.summaries)
    text = page.render(dataclasses.replace(replication, summaries=withheld))
    assert "Response time by percentile" not in text
    one = dataclasses.replace(replication, summaries=(withheld[0], *replication.summaries[1:]))
    figure = next(
        svg for svg in parsed(page.render(one)).iter("svg") if "latency" in str(svg.attrib)
    )
    assert len(figure.findall("polyline")) == 2


def test_one_variant_one_round_and_nothing_to_compare(replication):
    alone = dataclasses.replace(
        replication.summaries[0],
        by_round=(0.0,),
        histogram=Histogram().encode().decode(),
        p50_ms=None,
        throughput=0.0,
        throughput_low=None,
        throughput_high=None,
    )
    bare = dataclasses.replace(
        replication,
        rounds=1,
        order=(("single",),),
        summaries=(alone,),
        claims=(),
        warnings=(),
        host={},
        versions={},
        quick=True,
    )
    text = page.render(bare)
    parsed(text)
    for heading in ("Claims", "Warnings", "Against"):
        assert f">{heading}" not in text


@pytest.mark.parametrize("width", [plots.WIDE, plots.NARROW])
@pytest.mark.parametrize(
    "ratios", [[1.0], [2.43, 1.03], [0.0001, 5000.0], [1.001, 1.002], [0.3, 0.5]]
)
def test_forest_stays_in_its_frame(width, ratios):
    drawn = plots.forest(
        [plots.Ratio(1, "n" * 999, "1x", r * 0.99, r, r * 1.01) for r in ratios], width
    )
    for bar in drawn.bars:
        assert 0 <= bar.low <= bar.middle <= bar.high <= width
        assert len(bar.name) < 999
    assert "1x" in [tick.text for tick in drawn.x_ticks]
    assert len(drawn.x_ticks) >= 2


@pytest.mark.parametrize("width", [plots.WIDE, plots.NARROW])
@pytest.mark.parametrize("count", [1, 7, 200])
@pytest.mark.parametrize("scale", [1e-3, 1, 999_999])
def test_rounds_stay_in_their_frame(width, count, scale):
    drawn = plots.rounds([[scale * (1 + n / count) for n in range(count)]], width)
    assert len(drawn.x_ticks) <= 20
    assert 3 <= len(drawn.y_ticks) <= 8
    for x, y in drawn.lines[0].dots:
        assert drawn.left <= x <= drawn.right
        assert drawn.top <= y <= drawn.bottom


@pytest.mark.parametrize("samples", [2, 11, 1000, 50_000])
@pytest.mark.parametrize("seconds", [0.0, 1e-6, 0.001, 7000])
def test_the_percentile_plot_ends_where_samples_do(samples, seconds):
    times = Histogram()
    times.record(np.full(samples, seconds))
    drawn = plots.percentiles([times, None], plots.WIDE)
    (line,) = drawn.lines
    ends = [tuple(map(float, point.split(","))) for point in line.points.split()]
    assert all(drawn.left <= x <= drawn.right for x, _ in ends)
    assert all(drawn.top <= y <= drawn.bottom for _, y in ends)
    assert len(drawn.y_ticks) >= 2
    labels = [tick.text for tick in drawn.x_ticks]
    assert labels[-1] == {2: "90%", 11: "90%", 1000: "99.9%", 50_000: "99.99%"}[samples]


def test_the_curve_is_the_histograms(replication):
    histogram = Histogram.decode(replication.summaries[0].histogram.encode())
    curve = plots._curve(histogram)
    assert [y for _, y in curve] == sorted(y for _, y in curve)
    assert curve[0][1] == pytest.approx(histogram.percentile(0) / 1000)
    nines, value = min(curve, key=lambda point: abs(point[0] - 2))
    assert value == pytest.approx(histogram.percentile(100 - 100 / 10**nines) / 1000)
