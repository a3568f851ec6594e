"""What every kind of fault declares, asks of a relay, and takes for a proof."""

import dataclasses

import pytest

from scalelab import catalog
from scalelab.errors import UsageError
from scalelab.model import Budget, Reading
from tests.unit.test_ledger import FAULT


def fault(kind, target="primary", link="client--primary", **options):
    way = catalog.faults[kind]
    complete = {option.name: option.default for option in way.options} | options
    return dataclasses.replace(FAULT, kind=kind, target=target, link=link, options=complete)


def ms(value):
    return Reading("round_trip_ms", "round trip", value)


@pytest.mark.parametrize("kind", list(catalog.faults))
def test_every_kind_says_what_it_is(kind):
    way = catalog.faults[kind]
    assert way.summary.endswith(".")
    assert way.inverse
    assert way.words(fault(kind))
    assert bool(way.impairment(fault(kind))) == way.on_link


@pytest.mark.parametrize("kind", list(catalog.faults))
def test_the_defaults_of_a_kind_are_possible(kind):
    way = catalog.faults[kind]
    way.check({option.name: option.default for option in way.options})


def test_the_disk_of_the_machine_is_never_filled():
    with pytest.raises(UsageError, match="must not be filled"):
        catalog.faults["fill_disk"].require(Budget())
    catalog.faults["fill_disk"].require(Budget(disk=1024**3))


@pytest.mark.parametrize(
    ("value", "said", "free", "took"),
    [
        (None, "no space", 0, True),
        (None, "", 4096, True),
        (None, "no space", 9e7, True),
        (None, "", 9e7, False),
        (3.0, "", 0, False),
    ],
)
def test_a_disk_is_full_when_a_write_is_refused(value, said, free, took):
    before = Reading("write_ms", "write", 3.0, free=90_000_000)
    now = Reading("write_ms", "write", value, said, int(free))
    assert catalog.faults["fill_disk"].took(fault("fill_disk", link=""), before, now) == took


@pytest.mark.parametrize("kind", ["kill", "stop", "crash", "pause", "partition"])
def test_what_silences_has_taken_effect_when_nobody_answers(kind):
    way = catalog.faults[kind]
    assert way.took(fault(kind), ms(1), ms(None))
    assert not way.took(fault(kind), ms(1), ms(900))


@pytest.mark.parametrize(
    ("target", "link", "held"),
    [
        ("client--primary", "client--primary", "there"),
        ("primary--client", "client--primary", "back"),
        ("primary", "client--primary", "there"),
        ("replica1--primary", "replica1--primary", "there"),
        ("primary--replica1", "replica1--primary", "back"),
    ],
)
def test_one_way_is_from_the_first_end_to_the_second(target, link, held):
    cut = fault("partition", target, link, one_way=1)
    assert catalog.faults["partition"].impairment(cut) == {"hold": [held]}
    both = fault("partition", target, link)
    assert catalog.faults["partition"].impairment(both) == {"hold": ["there", "back"]}


def test_slow_halves_the_latency_over_the_two_ways():
    slow = fault("slow", latency=0.1, jitter=0.02)
    assert catalog.faults["slow"].impairment(slow) == {"delay_s": 0.05, "jitter_s": 0.01}


@pytest.mark.parametrize(
    ("before", "now", "took"), [(1, 101, True), (1, 90, True), (1, 9, False), (1, None, False)]
)
def test_slow_is_proved_by_a_longer_round_trip(before, now, took):
    assert catalog.faults["slow"].took(fault("slow", latency=0.1), ms(before), ms(now)) == took


@pytest.mark.parametrize(
    ("before", "now", "took"),
    [
        (9e6, 1e6, True),
        (9e6, 1.2e6, True),
        (9e6, 4e6, False),
        (8e5, 7e5, False),
        (9e6, None, False),
    ],
)
def test_throttle_is_proved_by_a_slower_transfer(before, now, took):
    was, is_ = (Reading("throughput_bytes_per_s", "throughput", v) for v in (before, now))
    assert catalog.faults["throttle"].took(fault("throttle", rate=1e6), was, is_) == took


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("slow", {"latency": 0.0}),
        ("slow", {"latency": 6.0}),
        ("slow", {"latency": 0.1, "jitter": 0.2}),
        ("throttle", {"rate": 999.0}),
        ("throttle", {"rate": 1e10}),
    ],
)
def test_impossible_options(kind, options):
    with pytest.raises(UsageError):
        catalog.faults[kind].check(fault(kind, **options).options)
