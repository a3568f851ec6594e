"""The table at every width a terminal may have."""

import dataclasses
import io

import pytest
from rich.console import Console

from scalelab.report import table

WIDTHS = (40, 60, 80, 100, 120)


def printed(result, width, **options):
    out = io.StringIO()
    console = Console(file=out, width=width, **options)
    console.print(table.render(result, width))
    return out.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["replication", "caching", "staged"])
def test_fits_and_cuts_nothing_off(name, width, request):
    text = printed(request.getfixturevalue(name), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    for variant in request.getfixturevalue(name).summaries:
        assert variant.name in text


@pytest.mark.parametrize("width", WIDTHS)
def test_what_matters_is_there_at_every_width(replication, width):
    text = " ".join(printed(replication, width).split())
    for figure in ("13.6k", "33.1k", "2.43x", "1.8%", "0.31" if width >= 80 else "1.2"):
        assert figure in text
    assert "two-replicas: 2.43x the reads of single" in text
    assert "stale, by 4.2 ms at most" in text


@pytest.mark.parametrize("width", [100, 120])
def test_three_variants_are_a_line_each_at_100_columns(replication, width):
    rows = [line for line in printed(replication, width).splitlines() if line.startswith("two-")]
    assert "2.43x [2.35, 2.52]" in rows[0]
    assert "faster" in rows[0]
    assert all(figure in rows[0] for figure in ("33.1k", "0.33", "0.76", "1.3", "10", "<0.1%"))


def test_columns_that_had_to_go_are_named(caching):
    text = printed(caching, 60)
    assert "narrow terminal: p95, max" in text
    assert "p99 ms" in text


def test_nothing_but_text_without_a_terminal(replication):
    assert "\x1b" not in printed(replication, 80)


def test_no_color(replication, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(replication, 80, force_terminal=True)
    assert "\x1b[3" not in text  # colours; bold and dim remain
    assert "✓ two replicas" in text


def test_withheld_percentiles_are_a_dash(replication):
    row = next(x for x in printed(replication, 120).splitlines() if x.startswith("sync-"))
    assert " –" in row


def test_columns_without_a_meaning_are_left_out(caching):
    text = printed(caching, 120)
    assert "hit" in text
    unjudged = tuple(
        dataclasses.replace(s, judged=0, stale_share=None, counts={}) for s in caching.summaries
    )
    text = printed(dataclasses.replace(caching, summaries=unjudged), 120)
    assert "hit" not in text
    assert "stale" not in text


def test_a_quick_look_gives_no_verdict(caching):
    quiet = tuple(
        dataclasses.replace(
            s, comparison=s.comparison and dataclasses.replace(s.comparison, verdict="")
        )
        for s in caching.summaries
    )
    text = printed(dataclasses.replace(caching, summaries=quiet, quick=True), 120)
    assert "verdict  " not in text
    assert "quick look" in text
    assert "faster" not in text


def test_one_variant_alone(caching):
    text = printed(dataclasses.replace(caching, summaries=caching.summaries[:1]), 80)
    assert "vs database" not in text
    assert "database: none of 70,000 judged reads was stale." in text


def test_header_says_how_it_was_measured(replication):
    assert printed(replication, 120).splitlines()[:2] == [
        "replication · local · every node 0.20 CPU, 256 MB · closed loop, 16 clients · "
        "5 rounds of 3 s, interleaved · seed 42",
        "load average 0.4 on 2 cores before · steal 1.0%",
    ]
    unbudgeted = dataclasses.replace(replication, budgeted=False)
    assert "0.20 CPU (not enforced here)" in printed(unbudgeted, 140)
    rate = dataclasses.replace(replication.load, rate=500.0)
    text = printed(dataclasses.replace(replication, load=rate), 140)
    assert "open loop, 500/s planned (poisson) over 16 clients" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_an_open_loops_p99_is_taken_apart(staged, width):
    lines = [line.split() for line in printed(staged, width).splitlines()]
    head = ["p99", "ms", "response", "service", "client", "wait", "send", "lag"]
    assert lines[lines.index(head) + 2] == ["single", "–", "–", "–", "0.040"]
    assert lines[lines.index(head) + 3] == ["two-replicas", "1.3", "0.90", "0.31", "0.040"]


def test_every_stage_has_its_figures(staged):
    text = printed(staged, 80)
    lines = [line.split() for line in text.splitlines()]
    assert ["stage", "variant", "achieved/s", "p50", "p99", "max", "ms", "kept", "up"] in lines
    peak = lines.index(
        ["2:", "800/s", "for", "1", "s", "single", "400", "–", "–", "1,204", "overloaded"]
    )
    # The stage is named once, its other variants are below.
    assert lines[peak + 1] == ["two-replicas", "800", "1.2", "19", "31", "yes"]
    assert "3 stages of 200 to 800/s planned (constant) over 64 clients" in text


def test_a_narrow_terminal_has_a_block_a_stage(staged):
    text = printed(staged, 40)
    assert "2: 800/s for 1 s, single\n  achieved/s: 400\n  p50: –" in text
    assert "single\n  response: –\n  service: –" in text


def test_a_closed_loop_has_no_such_tables(replication):
    text = printed(replication, 100)
    assert "client wait" not in text
    assert "stage" not in text


def test_fastest_is_said_only_when_it_lies_above_all_others(replication):
    assert "fastest: two-replicas" in printed(replication, 100)
    first, second, third = replication.summaries
    close = dataclasses.replace(third, comparison=dataclasses.replace(second.comparison, low=2.3))
    text = printed(dataclasses.replace(replication, summaries=(first, second, close)), 100)
    assert "fastest" not in text


def test_claims_and_warnings_follow(replication):
    text = printed(replication, 120)
    assert "✓ two replicas give 1.5x the reads: confirmed (2.43x [2.35, 2.52])" in text
    assert "✗ replicas serve stale reads: refuted" in text
    assert "? it is fast: inconclusive" in text
    assert "warning  single: the load generator" in text


def test_markup_in_names_is_text(replication):
    odd = dataclasses.replace(replication.summaries[0], name="[red]x[/red]")
    text = printed(dataclasses.replace(replication, summaries=(odd,)), 120)
    assert "[red]x[/red]" in text


def against_itself(caching, low, high, verdict):
    first, second = caching.summaries
    compared = dataclasses.replace(second.comparison, ratio=1.01, low=low, high=high)
    again = dataclasses.replace(
        first,
        name="database again",
        comparison=dataclasses.replace(compared, verdict=verdict),
    )
    return dataclasses.replace(caching, aa=True, summaries=(first, again))


@pytest.mark.parametrize(
    ("low", "high", "verdict", "said"),
    [
        (0.98, 1.04, "same", "a difference below 4.0% cannot be told from noise"),
        (0.9, 1.05, "inconclusive", "a difference below 11% cannot be told from noise"),
        (1.01, 1.02, "faster", "database differs from itself"),
        (None, None, "", "noise floor of database: unknown"),
    ],
)
def test_a_variant_against_itself_says_the_noise_floor(caching, low, high, verdict, said):
    text = " ".join(printed(against_itself(caching, low, high, verdict), 100).split())
    assert said in text
    if low:
        assert f"noise floor: 1.01x [{low:.2f}, {high:.2f}]: here, in 5 rounds of 3 s" in text
    assert "as many reads" not in text


def test_what_throughput_costs_is_a_column_with_its_prices_below(replication):
    first, *others = replication.summaries
    priced = dataclasses.replace(
        replication,
        summaries=(dataclasses.replace(first, figures={"cost_per_1000": 12.34}), *others),
        host={**replication.host, "prices": "EUR a month, by your prices.toml"},
    )
    text = printed(priced, 200)
    assert "cost/1k" in text
    assert "12.3" in text
    assert "1,000 reads/s, EUR a month, by your prices.toml." in text
    assert "cost/1k" not in printed(replication, 200)


def test_what_was_cut_is_said(replication, caching):
    text = " ".join(printed(replication, 100).split())
    assert (
        "warm-up: rehearsals of 8 s (single), 12 s (two-replicas) and 8 s (sync-replicas) until "
        "steady by MSER-5 and the first 0.5 s of every slice are cut."
    ) in text
    assert "20 s (cache-aside, not steady)" in printed(caching, 200)
    quick = tuple(dataclasses.replace(r, settled=None) for r in caching.rehearsals)
    assert "MSER" not in printed(dataclasses.replace(caching, rehearsals=quick), 200)


def test_the_generator_is_set_against_its_ceiling(replication):
    text = " ".join(printed(replication, 100).split())
    assert (
        "generator: 61% of one core, 8.0% of its no-op ceiling of 180k/s, send lag p99 0.040 ms: "
        "not the limit."
    ) in text


def test_a_worker_that_was_added_is_said(replication):
    grown = dataclasses.replace(replication.rehearsals[1], added_at=(0.93, 0.81))
    text = printed(
        dataclasses.replace(
            replication,
            rehearsals=(grown,),
            load=dataclasses.replace(replication.load, workers=3),
        ),
        200,
    )
    assert (
        "workers: one more was added while two-replicas was rehearsed, because the busiest was 93% "
        "busy; all rounds had 3."
    ) in text
    assert "workers: another was added while two-replicas was rehearsed" in text
