"""Figures of a slice: what checkers found, and nothing of what they could not look at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from scalelab.measure import figures
from scalelab.measure.checkers.register import Linearizability


def report(**found: Any) -> Any:
    return SimpleNamespace(**{"adds": (), "guarantees": None, "registers": None, **found})


def judged(*, unjudged: int = 0, violations: int = 0) -> Linearizability:
    return Linearizability(5, unjudged, violations, (), ())


def test_registers_of_all_workers_are_told() -> None:
    reports = [report(registers=judged(violations=2)), report(registers=judged()), report()]
    assert figures.of_checkers(reports, None) == {"not_linearizable": 2}
    assert figures.of_checkers([report(registers=judged())], None) == {"not_linearizable": 0}
    assert figures.of_checkers([report()], None) == {}


def test_a_register_not_wholly_judged_is_not_called_right() -> None:
    assert figures.of_checkers([report(registers=judged(unjudged=1))], None) == {}
    wrong = [report(registers=judged(unjudged=1)), report(registers=judged(violations=1))]
    assert figures.of_checkers(wrong, None) == {"not_linearizable": 1}
