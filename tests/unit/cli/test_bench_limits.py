"""--fail-if as a script sees it: exit code, reason, and nothing brought up for a wrong one."""

import dataclasses
import sys

import pytest

from scalelab.cli import app, output, running
from scalelab.model import Budget, ClaimResult, Comparison, Load, RunResult, VariantSummary


def summary(name, p99_ms, comparison=None):
    return VariantSummary(
        name=name,
        throughput=1000.0,
        throughput_low=990.0,
        throughput_high=1010.0,
        mean_ms=1.0,
        p50_ms=1.0,
        p95_ms=20.0,
        p99_ms=p99_ms,
        max_ms=90.0,
        operations=5000,
        errors={},
        error_share=0.0,
        judged=0,
        stale=0,
        stale_share=None,
        stale_max_age_ms=0.0,
        counts={},
        cpu_share=0.5,
        ceiling_share=0.1,
        send_lag_p99_ms=0.1,
        offered=None,
        by_round=(1000.0,) * 5,
        figures_by_round=({},) * 5,
        histogram="",
        comparison=comparison,
    )


RESULT = RunResult(
    lab="caching",
    title="Caching",
    counted="read",
    runtime="local",
    budget=Budget(),
    budgeted=True,
    load=Load(clients=16, rate=None, duration_s=3.0, warmup_s=1.0, seed=42),
    rounds=5,
    order=(("database", "cache-aside"),) * 5,
    quick=False,
    aa=False,
    started=0.0,
    host={},
    versions={},
    noop_ceiling=180_000.0,
    rehearsals=(),
    summaries=(
        summary("database", 12.0),
        summary("cache-aside", 61.3, Comparison(1.21, 1.1, 1.3, 0.001, "faster")),
    ),
    claims=(),
    warnings=(),
)


@pytest.fixture
def scalelab(monkeypatch, capsys, tmp_path):
    """Run ``scalelab bench caching`` with these options; the run itself gives ``result``."""
    ran = []
    monkeypatch.setenv("SCALELAB_STATE", str(tmp_path / "state"))

    def run(*options, result=RESULT):
        monkeypatch.setattr(running, "run", lambda *_: ran.append(1) or result)
        monkeypatch.setattr(sys, "argv", ["scalelab", "bench", "caching", *options])
        # Consoles keep the stream they were made with.
        output.stdout.cache_clear()
        output.stderr.cache_clear()
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err, len(ran)

    monkeypatch.setattr(app, "_second_interrupt_kills", lambda: None)
    yield run
    output.stdout.cache_clear()
    output.stderr.cache_clear()


def test_limits_that_are_kept_change_nothing(scalelab):
    code, out, err, _ = scalelab("--fail-if", "p99_ms>100", "--fail-if", "ratio(cache-aside)<1.2")
    assert (code, err.splitlines()[1:]) == (0, [])
    assert err.startswith("kept as ")
    assert "cache-aside" in out


def test_a_broken_limit_ends_with_1_and_the_reason(scalelab):
    code, out, err, _ = scalelab("--fail-if", "errors>0", "--fail-if", "p99_ms>50")
    assert code == 1
    assert "error: failed: p99_ms>50: cache-aside has p99_ms 61.3\n" in err
    assert "database has" not in err
    assert "cache-aside" in out  # the run is printed first


def test_every_broken_limit_is_named(scalelab):
    code, _, err, _ = scalelab("--fail-if", "p99_ms>50", "--fail-if", "ratio<1.5")
    assert code == 1
    assert "has p99_ms 61.3; ratio<1.5: cache-aside has ratio 1.21" in err


def test_a_figure_that_is_missing_ends_with_3(scalelab):
    withheld = dataclasses.replace(RESULT, summaries=(RESULT.summaries[0], summary("b", None)))
    code, _, err, _ = scalelab("--fail-if", "p99_ms>50", result=withheld)
    assert code == 3
    assert "error: not settled: p99_ms>50: b has no p99_ms" in err
    assert "--duration 10" in err
    assert scalelab("--fail-if", "ratio(database)<1.5")[0] == 3
    assert scalelab("--fail-if", "stale_reads>0")[0] == 3


def test_what_failed_goes_before_what_is_missing(scalelab):
    code, _, err, _ = scalelab("--fail-if", "stale_reads>0", "--fail-if", "p99_ms>50")
    assert code == 1
    assert "stale_reads" not in err


@pytest.mark.parametrize(
    ("expression", "pointed"),
    [
        ("p99_mss>50", "  p99_mss>50\n  ^^^^^^^\n"),
        ("ratio(cach-aside)<2", "  ratio(cach-aside)<2\n        ^^^^^^^^^^\n"),
        ("p99_ms>fifty", "  p99_ms>fifty\n         ^\n"),
    ],
)
def test_a_wrong_limit_ends_with_2_before_the_run(scalelab, expression, pointed):
    code, out, err, ran = scalelab("--fail-if", "errors>0", "--fail-if", expression)
    assert (code, out, ran) == (2, "", 0)
    assert pointed in err
    assert "\ndo: " in err


def test_claims_and_limits_are_told_together(scalelab):
    refuted = dataclasses.replace(RESULT, claims=(ClaimResult("it is faster", "refuted", ""),))
    code, _, err, _ = scalelab("--fail-if", "p99_ms>50", result=refuted)
    assert code == 1
    assert "has p99_ms 61.3; refuted here: it is faster" in err
    open_ = dataclasses.replace(RESULT, claims=(ClaimResult("it is fast", "inconclusive", ""),))
    code, _, err, _ = scalelab("--fail-if", "stale_reads>0", result=open_)
    assert code == 3
    assert "stale_reads" in err
    assert "it is fast" in err


def test_a_quick_look_keeps_limits_but_judges_no_claims(scalelab):
    quick = dataclasses.replace(
        RESULT, quick=True, claims=(ClaimResult("it is faster", "refuted", ""),)
    )
    assert scalelab(result=quick)[0] == 0
    assert scalelab("--fail-if", "p99_ms>50", result=quick)[0] == 1
