"""A sweep in a terminal: table, curve in characters, sentences."""

import dataclasses

import pytest
from rich.console import Console

from scalelab.model import Budget
from scalelab.report import sweep_table
from tests import made_up


def printed(swept, width):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(sweep_table.render(swept, width))
    return captured.get()


def with_runs(swept, **changed):
    points = tuple(
        dataclasses.replace(point, run=dataclasses.replace(point.run, **changed))
        for point in swept.points
    )
    return dataclasses.replace(swept, points=points)


def of_cpus(swept):
    """The same figures as a sweep of cpus, from 0.1 up."""
    points = tuple(
        dataclasses.replace(
            point,
            value=point.value / 10,
            run=dataclasses.replace(point.run, budget=Budget(point.value / 10)),
        )
        for point in swept.points
    )
    asked = tuple(point.value for point in points)
    return dataclasses.replace(swept, parameter="cpus", unit=0.1, asked=asked, points=points)


def test_the_knee_is_named_and_so_is_its_absence(swept):
    text = printed(swept, 200)
    assert "database: knee at 14 clients (" in text
    assert "cache-aside: no knee: by the law it only flattens." in text
    assert "contention 0.02 ± " in text
    assert "Amdahl's: contention 0.1 ± " in text
    assert "may be noise" not in text
    assert "varied" not in text


def test_a_knee_beyond_what_was_measured_says_so(swept):
    assert "reads/s), beyond what was measured" in printed(made_up.swept((1, 2, 4, 8)), 200)
    assert "beyond" not in printed(swept, 200)


def test_a_quick_look_and_missing_budgets_are_sure_of_no_knee(swept):
    text = printed(with_runs(swept, quick=True), 200)
    assert "reads/s), but it may be noise" in text
    assert "quick look" in text.splitlines()[0]
    assert "reads/s), but it may be noise" in printed(with_runs(swept, budgeted=False), 200)


def test_every_size_and_variant_is_in_the_table(swept):
    lines = printed(swept, 100).splitlines()
    for n in made_up.SIZES:
        assert any(line.split()[:1] == [str(n)] for line in lines)
    assert "1,000 ±2%" in "\n".join(lines)
    assert not any("clients" in line.split()[1:] for line in lines if "reads/s [95%]" in line)


def test_what_is_not_varied_is_a_reference_without_a_law(sized):
    text = printed(sized, 100)
    assert "varied: replicas of two-replicas; the same in every run: single." in text
    assert "Clients grow with the nodes" in text
    assert "single: not varied, 13.6k reads/s on average (13.6k to 13.6k)." in text
    assert "two-replicas: no knee" in text
    assert text.count("universal law") == 1
    assert ["3", "32"] in [line.split()[:2] for line in text.splitlines()]
    lines = sweep_table.plot(sized, 80)
    assert "- mean" in lines[0]
    assert any("---" in line for line in lines[1:-2])


def test_cpus_count_in_units_of_the_smallest_and_the_knee_in_cores(swept):
    text = printed(of_cpus(swept), 200)
    assert "database: knee at 1.4 cpus (" in text
    assert "at 0.1 cpus 1,000 ±" in text
    assert "The laws count in units of 0.1 cpus, the smallest value." in text
    assert "CPU, 256" not in text.splitlines()[0]


def test_cpus_that_were_not_enforced_have_no_law(swept):
    text = printed(with_runs(of_cpus(swept), budgeted=False), 200)
    assert "database: no law: CPU budgets are not enforced here" in text
    assert "knee" not in text
    assert "scaling law" not in text


def test_a_sweep_that_broke_off_shows_what_it_has(swept):
    half = dataclasses.replace(swept, points=swept.points[:2])
    text = printed(half, 100)
    assert "database: no law: a law needs at least 4 different values." in text
    assert "it broke off: clients 4, 8, 16, 32 not measured" in text
    assert "1,000 ±2%" in text


def test_figures_no_law_comes_near_are_shown_all_the_same(swept):
    none = dataclasses.replace(swept.points[0].run.summaries[0], throughput=0.0)
    first = dataclasses.replace(
        swept.points[0],
        run=dataclasses.replace(
            swept.points[0].run, summaries=(none, swept.points[0].run.summaries[1])
        ),
    )
    odd = dataclasses.replace(swept, points=(first, *swept.points[1:]))
    text = printed(odd, 100)
    assert "database: no law: no curve of one comes near these figures." in text
    assert "cache-aside: no knee" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("name", ["swept", "sized"])
def test_the_plot_fits_and_shows_each_variant(name, width, request):
    swept = request.getfixturevalue(name)
    lines = sweep_table.plot(swept, width)
    curve = lines[1:]
    assert max(map(len, curve)) <= width
    text = "\n".join(curve)
    assert text.isascii()
    for mark in "ab.":
        assert mark in text
    assert curve[-1].endswith({"swept": "32 clients", "sized": "4 replicas"}[name])
    assert max(map(len, printed(swept, width).splitlines())) <= width


def test_the_plot_begins_at_its_highest_point_and_ends_at_nothing(swept):
    _, top, *_, bottom, _, _ = sweep_table.plot(swept, 80)
    label, curve = top.split("|")
    assert label.strip() == "6,452"
    assert set(curve.strip()) <= {"a", "."}
    assert bottom.split("|")[0].strip() == "0"


def test_a_limited_generator_failures_and_missing_budgets_are_warned_of(swept):
    assert "warning" not in printed(swept, 200)
    *others, last = swept.points
    run = dataclasses.replace(
        last.run,
        budgeted=False,
        host={"steal_share": 0.3},
        summaries=(
            dataclasses.replace(last.run.summaries[0], cpu_share=0.97, error_share=0.01),
            last.run.summaries[1],
        ),
    )
    points = (*others, dataclasses.replace(last, run=run))
    text = printed(dataclasses.replace(swept, points=points), 200)
    assert "database: at 32 clients the load generator may have been the limit" in text
    assert "took up to 30% of its CPU" in text
    assert "budgets are not enforced" in text
    assert "some operations failed" in text
