"""Every lab is run once, briefly, and every experiment of it; nothing is said of speed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scalelab import catalog
from tests.conftest import Run, leftovers

_LABS = list(catalog.lab_folders())
_EXPERIMENTS = [name for lab in _LABS for name in catalog.experiments(lab)]
# Servers that may use a whole core have their data sooner; how fast they are is not looked at.
_BRIEF = ("--quick", "--rounds", "1", "--cpus", "1", "--runtime", "local", "--json", "-")


def _run_once(run: Run, name: str) -> None:
    variants = {variant.name: variant for variant in catalog.lab(name).variants}
    struck = any(variant.faults for variant in variants.values())
    # A slice lasts until its faults have come.
    duration = () if struck else ("--duration", "0.3")
    read = json.loads(run("bench", name, *_BRIEF, *duration).stdout)
    assert [variant["name"] for variant in read["variants"]] == list(variants)
    for variant in read["variants"]:
        assert variant["operations"] > 0, variant
        # What a fault strikes may fail, and so may transfers that are abandoned on purpose.
        if not variants[variant["name"]].faults:
            assert variant["errors"] == {}, variant
    assert (read["rounds"], read["quick"]) == (1, True)
    assert {claim["outcome"] for claim in read["claims"]} == {"inconclusive"}


@pytest.mark.parametrize("name", _LABS)
def test_a_lab_runs(name: str, run: Run, state: Path) -> None:
    _run_once(run, name)
    assert leftovers(state) == []


@pytest.mark.labs
@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_an_experiment_runs(name: str, run: Run, state: Path) -> None:
    _run_once(run, name)
    assert leftovers(state) == []


def test_every_lab_has_experiments() -> None:
    assert {name.partition("/")[0] for name in _EXPERIMENTS} == set(_LABS)
