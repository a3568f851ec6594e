"""Requests of one session at once."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from scalelab.errors import RequestFailed
from scalelab.protocols import Wait
from scalelab.workloads._together import together


def request(
    log: list[str], name: str, waits: int, fails: bool = False
) -> Generator[Wait, None, str]:
    log.append(f"{name} sent")
    for number in range(waits):
        yield Wait(number)
    log.append(f"{name} answered")
    if fails:
        raise RequestFailed(f"{name} failed")
    return name


def drive(generator: Generator[Wait, None, list[str]]) -> tuple[int, list[str]]:
    steps = 0
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return steps, end.value
        steps += 1


def test_all_are_sent_before_the_first_answer_is_waited_for() -> None:
    log: list[str] = []
    steps, answers = drive(
        together(request(log, "a", 2), request(log, "b", 0), request(log, "c", 1))
    )
    assert answers == ["a", "b", "c"]
    assert steps == 3
    assert log == ["a sent", "b sent", "b answered", "c sent", "a answered", "c answered"]


def test_of_none_there_are_no_answers() -> None:
    assert drive(together()) == (0, [])


def test_the_first_failure_is_raised_once_all_have_answered() -> None:
    log: list[str] = []
    with pytest.raises(RequestFailed, match="a failed"):
        drive(
            together(request(log, "a", 1, True), request(log, "b", 2), request(log, "c", 1, True))
        )
    assert log[3:] == ["a answered", "b answered", "c answered"]
