"""Every answered prediction gets its line and its place in the journal, told or not."""

import dataclasses

import pytest

from scalelab import catalog
from scalelab.cli import lab_run, output
from scalelab.journal import Journal
from tests import made_up


@pytest.fixture
def printed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    output.stdout.cache_clear()
    yield lambda: capsys.readouterr().out
    output.stdout.cache_clear()


def test_a_run_without_the_figures_says_so(tmp_path, printed):
    run = made_up.caching()
    baseline, cached = run.summaries
    missing = dataclasses.replace(cached, judged=0, stale_share=None, p99_ms=None)
    run = dataclasses.replace(run, summaries=(baseline, missing))
    answers = [(asked, 100.0) for asked in catalog.lab("caching").predictions]
    journal = Journal(tmp_path, pytest.fail)
    journal.predicted("caching", 7.0, [{"answer": answer} for _, answer in answers])
    lab_run.came_out(answers, run, lambda told: journal.came_out("caching", 7.0, "run", told))

    ratio, slow, stale = (line for line in printed().splitlines() if "you said" in line)
    assert "you said 100x, measured" in ratio
    assert "you said 100 ms; this run could not tell: too few operations completed" in slow
    assert "you said 100%; this run could not tell: no read was judged" in stale
    for line in (slow, stale):
        assert "(measure longer: --duration 10)" in line
    # As it is read another day.
    (attempt,) = Journal(tmp_path, pytest.fail).lab("caching")["predictions"]
    told = [(each["outcome"], each["figure"] is None) for each in attempt["outcomes"]]
    assert told == [("too high", False), ("unknown", True), ("unknown", True)]
    assert [each.get("why") for each in attempt["outcomes"]] == [
        None,
        "too few operations completed",
        "no read was judged",
    ]
