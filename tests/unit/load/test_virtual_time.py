"""What a slice reports, to the operation: here nothing takes time but what is said to."""

from __future__ import annotations

import itertools
import multiprocessing
import socket
import types
from collections.abc import Generator
from dataclasses import replace

import numpy as np
import pytest

from scalelab.errors import RequestFailed
from scalelab.load import schedule, worker
from scalelab.load.loop import sleep_until
from scalelab.load.shared import Shared
from scalelab.measure.histogram import Histogram
from scalelab.model import TICK_S, Load
from scalelab.protocols import SessionContext, Wait
from tests.unit.load.virtual import Clock, clock, drive

__all__ = ["clock"]

LOAD = Load(clients=8, rate=None, duration_s=1.0, warmup_s=0.2, seed=1)
# The clock's times are sums of floats, a histogram keeps three digits.
DIGITS = 0.001


def planned(load: Load) -> np.ndarray:
    """The arrivals of the measured part, in seconds from its start."""
    parts = schedule.parts(load)
    drawn = schedule.arrivals(load.arrivals, parts, (load.seed, worker._ARRIVALS, 0))
    return np.array([at for at, part in drawn if part == 1]) - load.warmup_s


async def answer(context: SessionContext) -> str:
    """An answer after 4 ms."""
    await context.sleep(0.004)
    return "read"


def test_a_closed_slice_counts_what_ended_in_its_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = drive(monkeypatch, answer, LOAD)
    assert report.elapsed_s == pytest.approx(1)
    # Each of eight clients, 250 times; the one that ends as the time does may be in or out.
    assert report.counts["read"] == pytest.approx(8 * 250, abs=8)
    assert report.planned == report.counts["read"]
    assert (report.unsent, report.errors) == (0, {})
    ticks = report.timeline["read"]
    assert len(ticks) == round((LOAD.warmup_s + LOAD.duration_s) / TICK_S)
    assert sum(ticks) == pytest.approx(8 * 300, abs=8)
    assert Histogram.decode(report.send_lag).max <= 1  # µs, the least it can tell


def test_clients_are_throughput_times_mean_response_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def varied(context: SessionContext) -> str:
        await context.sleep(context.random.expovariate(1 / 0.004))
        return "read"

    report = drive(monkeypatch, varied, replace(LOAD, duration_s=20))
    answered = Histogram.decode(report.histograms["read"])
    clients = report.counts["read"] / report.elapsed_s * answered.mean / 1e6
    # At either end an operation a client is cut.
    cut = 2 * answered.max / 1e6 / report.elapsed_s
    assert clients == pytest.approx(LOAD.clients, rel=cut + DIGITS)


def test_the_live_count_is_that_of_the_last_look(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(multiprocessing.get_context("spawn"), 1)
    shared.adopt()
    try:
        report = drive(monkeypatch, answer, LOAD)
    finally:
        Shared.leave()
    # It looks ten times a second, and not at the end.
    missing = sum(report.timeline["read"]) - shared.completed[0]
    assert 0 <= missing <= LOAD.clients * (0.1 / 0.004 + 1)


@pytest.mark.parametrize("stall_s", [0.25, 1.0])
def test_a_stall_shows_in_the_open_loops_tail_as_the_arithmetic_says(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, stall_s: float
) -> None:
    load = replace(LOAD, rate=500.0, warmup_s=0, duration_s=4.0)
    from_s, to_s = clock.at + 1.5, clock.at + 1.5 + stall_s
    service_s = 0.0001

    async def stalls(context: SessionContext) -> str:
        start = to_s if from_s <= clock() < to_s else clock()
        await sleep_until(start + service_s)
        return "read"

    report = drive(monkeypatch, stalls, load)
    arrivals = planned(load)
    response, service = (
        Histogram.decode(each["read"]) for each in (report.histograms, report.service)
    )
    assert (report.errors, report.unsent) == ({}, 0)
    assert response.total == report.planned == len(arrivals)
    # Who arrives in the stall waits for its rest, and for the backlog before him.
    within = arrivals[(arrivals >= 1.5) & (arrivals < 1.5 + stall_s)]
    backlog_s = (len(within) / load.clients + 1) * service_s
    rest = np.sort(1.5 + stall_s - within)
    for percent in (80, 90, 95, 99):
        rank = len(within) - round((1 - percent / 100) * len(arrivals))
        if rank < 0:
            continue
        least, most = rest[max(rank - 1, 0)], rest[min(rank + 1, len(rest) - 1)] + 2 * backlog_s
        found = response.percentile(percent) / 1e6
        assert least * (1 - DIGITS) <= found <= most * (1 + DIGITS)
    # Sent were only as many as there are clients: service time hides what the others waited.
    assert service.percentile(98) == pytest.approx(1e6 * service_s, rel=DIGITS, abs=1)
    assert service.max == pytest.approx(1e6 * stall_s, rel=0.1)
    # They waited for a client, because of the server: that is no lag of the generator.
    waited = Histogram.decode(report.client_wait)
    assert waited.total == Histogram.decode(report.send_lag).total == report.planned
    # All but those who had a client, and waited for the server alone.
    least, most = (response.percentile(95 - 100 * n / len(arrivals)) for n in (load.clients + 2, 0))
    assert least * (1 - DIGITS) <= waited.percentile(95) <= most * (1 + DIGITS)
    assert Histogram.decode(report.send_lag).max <= 1  # µs, the least it can tell


@pytest.mark.parametrize("rate", [1_000.0, 20_000.0])
def test_what_was_planned_was_sent_or_is_said_to_be_unsent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    load = replace(LOAD, rate=rate)
    report = drive(monkeypatch, answer, load)
    assert report.planned == len(planned(load))
    # Eight clients with 4 ms an answer can do 2,000 a second.
    can = 2000 * (load.warmup_s + load.duration_s) + load.clients
    all_planned = rate * (load.warmup_s + load.duration_s)
    assert (report.unsent > 0) is (all_planned > can)
    sent = Histogram.decode(report.histograms["read"]).total if report.histograms else 0
    assert sent + report.unsent == report.planned


def test_a_request_is_given_up_after_its_time_and_the_session_goes_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[float] = []
    gave_up: list[float] = []
    ends = socket.socketpair()

    @types.coroutine
    def silence() -> Generator[Wait, None, None]:
        yield Wait(ends[0].fileno())

    async def unanswered(context: SessionContext) -> str:
        began.append(clock())
        try:
            await silence()
        except TimeoutError:
            gave_up.append(clock())
            raise RequestFailed("time-out", "", lost=True) from None
        raise AssertionError("nobody answers")

    load = replace(LOAD, clients=1, warmup_s=0, duration_s=3 * worker.ANSWER_S)
    with ends[0], ends[1]:
        report = drive(monkeypatch, unanswered, load)
    waited = np.array(gave_up) - np.array(began[: len(gave_up)])
    # Looked at ten times a second: a look finds the operation, a later one finds it too old.
    assert (waited >= worker.ANSWER_S).all()
    assert (waited <= worker.ANSWER_S + 0.2 + 1e-6).all()
    assert report.errors == {"time-out": 2, "no answer": 1}


def test_attempts_after_a_loss_come_ever_more_slowly(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[float] = []

    async def refused(context: SessionContext) -> str:
        attempts.append(clock())
        raise RequestFailed("cannot connect", "", lost=True)

    load = replace(LOAD, clients=1, warmup_s=0, duration_s=10.0)
    report = drive(monkeypatch, refused, load)
    # All but the first, made before the measured time begins, and the last, after its end.
    assert report.errors == {"cannot connect": len(attempts) - 2}
    doubled = itertools.accumulate(itertools.repeat(2), lambda most, two: most * two, initial=0.01)
    for gap, most in zip(np.diff(attempts), doubled, strict=False):
        # 10, 20, 40 ... 500 ms, or as little as half of it.
        longest = min(most, 0.5)
        assert longest / 2 - 1e-6 <= gap <= longest + 1e-6


def test_after_an_answer_the_next_loss_is_the_first_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = itertools.cycle([False] * 5 + [True])
    attempts: list[tuple[float, bool]] = []

    async def sometimes(context: SessionContext) -> str:
        answers = next(turns)
        attempts.append((clock(), answers))
        if not answers:
            raise RequestFailed("connection lost", "", lost=True)
        await context.sleep(0.001)
        return "read"

    drive(monkeypatch, sometimes, replace(LOAD, clients=1, warmup_s=0, duration_s=5.0))
    failed = [
        then - at
        for (before, (at, _), (then, _)) in zip(
            [True, *(answers for _, answers in attempts)], attempts, attempts[1:], strict=False
        )
        if before and (at, False) in attempts
    ]
    assert len(failed) > 2
    assert max(failed) <= 0.01 + 1e-6


def test_an_error_that_loses_nothing_is_not_waited_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrong(context: SessionContext) -> str:
        await context.sleep(0.004)
        raise RequestFailed("ERR")

    report = drive(monkeypatch, wrong, replace(LOAD, warmup_s=0))
    assert report.errors["ERR"] == pytest.approx(8 * 250, abs=8)
