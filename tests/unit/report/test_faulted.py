"""What a timeline's faults did, in words, bars and a plot."""

from __future__ import annotations

import dataclasses

import pytest

from scalelab.report import document, faulted, page, plots, table_csv
from tests import made_up


@pytest.fixture
def run():
    return made_up.failover()


def test_a_sentence_says_what_struck_and_what_came_of_it(run):
    said = faulted.sentence(run.summaries[1], run)
    assert said == (
        "two-replicas: kill primary at 1.5 s, promote replica1 at 2.0 to 3.3 s; no write for "
        "0.82 s in all, served for good 0.98 s after the first."
    )
    calm = dataclasses.replace(run.summaries[1], figures={"unavailable_s": 0.0, "recovery_s": 0.0})
    assert "a write in every tenth" in faulted.sentence(calm, run)
    unknown = dataclasses.replace(run.summaries[1], figures={})
    assert "too few to tell" in faulted.sentence(unknown, run)


def test_bars_have_a_gap_exactly_where_nothing_completed(run):
    lines = [line.plain for line in faulted.lines(run)]
    assert len(lines) == 4  # two variants were struck
    bars = lines[1].split("|")[1]
    assert len(bars) == len(run.summaries[1].timeline) == 40
    assert [n for n, bar in enumerate(bars) if bar == " "] == list(range(16, 24))
    assert bars[-1] == "█"


def test_the_plot_marks_each_fault_of_each_variant(run):
    struck = [(1.52, "kill primary"), (2.01, "promote replica1")]
    timed = [plots.Timed(1, run.summaries[1].timeline, struck)]
    for width in (plots.WIDE, plots.NARROW):
        drawn = plots.timelines(timed, width)
        assert drawn is not None
        assert [strike.label for strike in drawn.strikes] == ["kill primary", "promote replica1"]
        assert drawn.left < drawn.strikes[0].x < drawn.strikes[1].x < drawn.right
        assert all(strike.label_y < drawn.bottom for strike in drawn.strikes)
    assert plots.timelines([], plots.WIDE) is None


def test_every_form_has_the_figures(run):
    assert "acknowledged writes that were not there in the end" in page.render(run)
    assert 'id="faults"' in page.render(run)
    assert 'id="faults"' not in page.render(made_up.replication())
    read = document.load(document.dump(run))
    assert read.summaries[1].struck == run.summaries[1].struck
    assert read.summaries[1].figures["lost"] == 17
    header, _, row, _ = table_csv.render(run).splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["lost"] == "17.0"
