"""The page of a sweep: whole, self-contained, and what a run's page is to a screen reader."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import pytest

from scalelab.report import plots, sweep_page, words
from tests import made_up

HOSTILE = '<script>alert(\'"&x")</script>\x00]]>{{ 7*7 }}'


def parsed(text):
    assert text.startswith("<!DOCTYPE html>")
    return ET.fromstring(text)


@pytest.fixture(params=["swept", "sized"])
def there(request):
    """Either sweep."""
    return request.getfixturevalue(request.param)


def test_well_formed_and_self_contained(there):
    text = sweep_page.render(there)
    tree = parsed(text)
    assert not re.search(r"https?:|//\w|url\(|@import|\bsrc=|\bhref=", text)
    assert not {"script", "link", "img", "iframe", "object"} & {e.tag for e in tree.iter()}
    assert "default-src 'none'" in text


def test_every_figure_and_law_is_in_a_table(there):
    text = sweep_page.render(there)
    found = ["".join(cell.itertext()) for cell in parsed(text).iter("td")]
    for point in there.points:
        for each in point.run.summaries:
            bounds = words.interval(each.throughput_low, each.throughput_high)
            assert f"{words.thousands(each.throughput)} {bounds}" in found
    for laws in there.laws.values():
        assert f"{laws.universal.r_squared:.3f}" in found
        assert f"{laws.amdahl.r_squared:.3f}" in found


def test_the_knee_is_marked_where_it_is(swept):
    tree = parsed(sweep_page.render(swept))
    marks = [t.text for t in tree.iter("text") if str(t.text).startswith("knee")]
    assert marks == ["knee 14"] * 2  # wide and narrow
    (knee,) = plots.scaling(
        [sweep_page._scaled(swept, n, name) for n, name in enumerate(swept.variants)], plots.WIDE
    ).knees
    assert knee.series == 0
    quick = tuple(
        dataclasses.replace(p, run=dataclasses.replace(p.run, quick=True)) for p in swept.points
    )
    assert "knee 14?" in sweep_page.render(dataclasses.replace(swept, points=quick))
    assert "knee 14<" not in sweep_page.render(made_up.swept((1, 2, 4, 8)))


def test_a_screen_reader_finds_its_way(there):
    tree = parsed(sweep_page.render(there))
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch(r"h\d", str(e.tag))]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert all(table.find("caption") is not None for table in tree.iter("table"))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    figures = [svg for svg in tree.iter("svg") if svg.get("aria-hidden") != "true"]
    assert [svg.get("class") for svg in figures] == ["wide", "narrow"]
    for svg in figures:
        assert set(svg.get("aria-labelledby").split()) <= set(ids)


@pytest.mark.parametrize("width", [plots.WIDE, plots.NARROW])
def test_everything_stays_in_the_frame(there, width):
    # Intervals as wide as two rounds make them.
    points = tuple(
        dataclasses.replace(
            point,
            run=dataclasses.replace(
                point.run,
                summaries=tuple(
                    dataclasses.replace(s, throughput_low=-9e5, throughput_high=9e5)
                    for s in point.run.summaries
                ),
            ),
        )
        for point in there.points
    )
    there = dataclasses.replace(there, points=points)
    drawn = plots.scaling(
        [sweep_page._scaled(there, n, name) for n, name in enumerate(there.variants)], width
    )
    ys = [y for line in drawn.lines for _, y in line.dots]
    ys += [y for bar in drawn.whiskers for y in (bar.low, bar.high)]
    for line in (*drawn.lines, *drawn.thin):
        for point in line.points.split():
            x, y = map(float, point.split(","))
            assert drawn.left <= x <= drawn.right
            ys.append(y)
    assert drawn.top <= min(ys) <= max(ys) <= drawn.bottom
    assert drawn.whiskers


def test_a_sweep_that_broke_off_has_a_page_without_laws(swept):
    half = dataclasses.replace(swept, points=swept.points[:1])
    text = sweep_page.render(half)
    parsed(text)
    assert "it broke off: clients 2, 4, 8, 16, 32 not measured" in text
    assert "database: no law: a law needs at least 4 different values." in text
    assert "Universal Scalability Law; dotted" not in text


def test_hostile_names_are_text(swept):
    points = tuple(
        dataclasses.replace(
            point,
            shapes={f"{HOSTILE}{n}": shape for n, shape in enumerate(point.shapes.values())},
            run=dataclasses.replace(
                point.run,
                lab=HOSTILE,
                title=HOSTILE,
                summaries=tuple(
                    dataclasses.replace(s, name=f"{HOSTILE}{n}")
                    for n, s in enumerate(point.run.summaries)
                ),
            ),
        )
        for point in swept.points
    )
    odd = dataclasses.replace(
        swept, parameter=HOSTILE, points=points, varied=(f"{HOSTILE}0", f"{HOSTILE}1")
    )
    text = sweep_page.render(odd)
    parsed(text)
    assert "<script" not in text
    assert "{{ 7*7 }}" in text
