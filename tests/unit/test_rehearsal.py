"""How long a variant is rehearsed, and when it gets a worker more. No servers."""

import dataclasses

import pytest

from scalelab.model import TICK_S, Load, Stage
from scalelab.rehearsal import rehearse
from tests import made_up

CLOSED = Load(clients=16, rate=None, duration_s=3, warmup_s=1, seed=1)


class Bench:
    """Drives slices of a throughput that ``level`` gives for the seconds driven so far."""

    def __init__(self, level=lambda second: 1000, busy=(), most=1):
        self.level, self.busy, self.most = level, list(busy), most
        self.loads, self.workers = [], 1

    def drive(self, load):
        start = sum(each.warmup_s + each.duration_s for each in self.loads)
        self.loads.append(load)
        ticks = round((load.warmup_s + load.duration_s) / TICK_S)
        counts = [self.level(start + tick * TICK_S) * TICK_S for tick in range(ticks)]
        share = self.busy.pop(0) if self.busy else 0.5
        shares = [share] + [0.1] * (load.workers - 1)
        part = tuple(int(count / load.workers) for count in counts)
        return [
            made_up.report(timeline={"read": part}, cpu_share=each, counts={"read": sum(part)})
            for each in shares
        ]

    def grow(self):
        grown = self.workers < self.most
        self.workers += grown
        return grown

    def rehearse(self, load=CLOSED, cores=8, brief=False):
        return rehearse(
            "a", load, self.drive, self.grow, lambda n: 100 + n, cores=cores, brief=brief
        )


def test_a_steady_variant_is_rehearsed_for_as_long_as_it_takes_to_see():
    bench = Bench()
    done, load = bench.rehearse()
    assert (done.variant, done.driven_s, done.settled, done.added_at) == ("a", 7, True, ())
    assert load == CLOSED
    assert [each.seed for each in bench.loads] == [100]


def test_a_warm_up_is_rehearsed_until_it_is_over():
    bench = Bench(lambda second: 1000 if second >= 6 else 200 + 130 * second)
    done, _ = bench.rehearse()
    assert (done.driven_s, done.settled) == (15, True)
    assert [each.seed for each in bench.loads] == [100, 101, 102]


def test_what_never_settles_is_given_up_and_said():
    done, _ = Bench(lambda second: 1000 + 300 * second).rehearse()
    assert (done.driven_s, done.settled) == (15, False)


@pytest.mark.parametrize("duration_s", [0.1, 3600.0])
def test_the_length_of_a_counted_slice_does_not_matter(duration_s):
    done, load = Bench().rehearse(dataclasses.replace(CLOSED, duration_s=duration_s))
    assert done.driven_s == 7
    assert load.duration_s == duration_s


def test_stages_are_rehearsed_at_the_rate_they_begin_with():
    staged = dataclasses.replace(
        CLOSED, rate=600.0, stages=(Stage(200.0, 0.5), Stage(1000.0, 0.5)), duration_s=1.0
    )
    bench = Bench()
    _, load = bench.rehearse(staged)
    assert {(each.rate, each.stages, each.duration_s) for each in bench.loads} == {(200.0, (), 6.0)}
    assert load == staged


def test_a_quick_look_has_one_rehearsal_as_short_as_its_slices():
    quick = dataclasses.replace(CLOSED, duration_s=0.3, warmup_s=0.5)
    bench = Bench()
    done, _ = bench.rehearse(quick, brief=True)
    assert (done.driven_s, done.settled, len(bench.loads)) == (0.8, None, 1)
    long = dataclasses.replace(CLOSED, duration_s=3600.0)
    assert Bench().rehearse(long, brief=True)[0].driven_s == 2


def test_a_variant_that_answers_nothing_is_not_waited_for():
    bench = Bench(lambda second: 0)
    assert bench.rehearse()[0].settled is None
    assert len(bench.loads) == 1


def test_a_saturated_generator_gets_workers_and_starts_anew():
    bench = Bench(busy=[0.93, 0.85, 0.4], most=8)
    done, load = bench.rehearse()
    assert load == dataclasses.replace(CLOSED, workers=3)
    assert [each.workers for each in bench.loads] == [1, 2, 3]
    assert (done.added_at, done.driven_s, done.settled) == ((0.93, 0.85), 21, True)


@pytest.mark.parametrize(
    ("load", "options", "most"),
    [
        (CLOSED, {}, 1),
        (CLOSED, {"cores": 1}, 8),
        (dataclasses.replace(CLOSED, clients=1), {}, 8),
        (dataclasses.replace(CLOSED, rate=100.0), {}, 8),
    ],
    ids=["fixed", "no core", "one client", "open loop"],
)
def test_where_no_worker_can_be_added_none_is(load, options, most):
    bench = Bench(busy=[0.99] * 9, most=most)
    done, after = bench.rehearse(load, **options)
    assert (done.added_at, after.workers, bench.workers) == ((), 1, 1)
