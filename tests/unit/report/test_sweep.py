"""A sweep as a table, a plot, sentences and JSON."""

import dataclasses
import json

import pytest
from rich.console import Console

from scalelab.report import document, sweep

SIZES = (1, 2, 4, 8, 16, 32)


@pytest.fixture
def swept(caching):
    """Of two variants: one has a knee at about 14, the other flattens."""

    def at(n):
        rates = (
            1000 * n / (1 + 0.02 * (n - 1) + 0.005 * n * (n - 1)),
            500 * n / (1 + 0.1 * (n - 1)),
        )
        return dataclasses.replace(
            caching,
            summaries=tuple(
                dataclasses.replace(
                    each, throughput=rate, throughput_high=1.02 * rate, by_round=(rate,) * 5
                )
                for each, rate in zip(caching.summaries, rates, strict=True)
            ),
        )

    return sweep.Sweep("clients", {n: at(n) for n in SIZES})


def printed(swept, width):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(sweep.render(swept, width))
    return captured.get()


def test_the_knee_is_named_and_so_is_its_absence(swept):
    text = printed(swept, 200)
    assert "database: knee at 14 clients (" in text
    assert "cache-aside: no knee: by the law it only flattens." in text
    assert "contention 0.02 ± " in text
    assert "Amdahl's: contention 0.1 ± " in text
    assert "may be noise" not in text


def test_a_knee_beyond_what_was_measured_says_so(swept):
    runs = {n: run for n, run in swept.runs.items() if n <= 8}
    assert "reads/s), beyond what was measured" in printed(sweep.Sweep("clients", runs), 200)
    assert "beyond" not in printed(swept, 200)


def test_a_quick_look_is_sure_of_no_knee(swept):
    runs = {n: dataclasses.replace(run, quick=True) for n, run in swept.runs.items()}
    text = printed(sweep.Sweep("clients", runs), 200)
    assert "reads/s), but it may be noise" in text
    assert "quick look" in text.splitlines()[0]


def test_every_size_and_variant_is_in_the_table(swept):
    lines = printed(swept, 100).splitlines()
    for n in SIZES:
        assert any(line.split()[:1] == [str(n)] for line in lines)
    assert "1,000 ±2%" in "\n".join(lines)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_plot_fits_and_shows_each_variant(swept, width):
    lines = sweep.plot(swept, width)
    curve = lines[1:]
    assert max(map(len, curve)) <= width
    text = "\n".join(curve)
    assert text.isascii()
    for mark in "ab.":
        assert mark in text
    assert curve[-1].endswith("32 clients")
    assert max(map(len, printed(swept, width).splitlines())) <= width


def test_the_plot_begins_at_its_highest_point_and_ends_at_nothing(swept):
    _, top, *_, bottom, _, _ = sweep.plot(swept, 80)
    label, curve = top.split("|")
    assert label.strip() == "6,452"
    assert set(curve.strip()) <= {"a", "."}
    assert bottom.split("|")[0].strip() == "0"


def test_a_limited_generator_failures_and_missing_budgets_are_warned_of(swept):
    assert "warning" not in printed(swept, 200)
    runs = dict(swept.runs)
    last = runs[32]
    runs[32] = dataclasses.replace(
        last,
        budgeted=False,
        host={"steal_share": 0.3},
        summaries=(
            dataclasses.replace(last.summaries[0], cpu_share=0.97, error_share=0.01),
            last.summaries[1],
        ),
    )
    text = printed(sweep.Sweep("clients", runs), 200)
    assert "database: at 32 clients the load generator may have been the limit" in text
    assert "took up to 30% of its CPU" in text
    assert "budgets are not enforced" in text
    assert "some operations failed" in text


def test_json_holds_every_run_whole_and_the_laws(swept):
    built = json.loads(sweep.dump(swept))
    assert (built["schema"], built["version"]) == ("scalelab.sweep", 1)
    assert [each["n"] for each in built["runs"]] == list(SIZES)
    for each in built["runs"]:
        assert document.load(json.dumps(each["run"])) == swept.runs[each["n"]]
    laws = built["laws"]
    assert laws["database"]["universal"]["knee"] == pytest.approx(14, abs=0.1)
    assert laws["cache-aside"]["amdahl"]["contention"] == pytest.approx(0.1, abs=1e-3)
    assert laws["cache-aside"]["amdahl"]["knee"] is None
