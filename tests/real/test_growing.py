"""A shard is added under writes: which customers move, and is anything lost? On real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure import figures
from scalelab.measure.checkers.duplicates import Seen
from scalelab.model import Load, Places
from scalelab.workloads import growing_write
from tests.real import wheels

pytestmark = pytest.mark.labs

_TRIALS = 2
_LOAD = Load(clients=8, rate=None, duration_s=1.8, warmup_s=0.2, seed=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    roles = dict.fromkeys(("shard1", "shard2", "shard3"), "shard")
    with wheels.nodes(tmp_path_factory, roles) as found:
        growing_write.WORKLOAD.load(found)
        growing_write.WORKLOAD.load(found)  # again is harmless
        yield found


def grow(
    places: Places, seed: int, **options: str | bool
) -> tuple[dict[str, int], dict[str, float]]:
    """What a slice counted, and its figures."""
    report = run_slice(SliceTask(places, "growing_write", options, replace(_LOAD, seed=seed), 0))
    assert report.errors == {}
    audit = growing_write.WORKLOAD.audit(places, _LOAD)
    assert audit.elements is not None
    seen = Seen()
    seen.update(audit.elements)
    return dict(report.counts), {**audit.figures, **figures.of_checkers([report], seen)}


@pytest.mark.parametrize(("route", "moved"), [("modulo", (0.6, 0.7)), ("ring", (0.25, 0.42))])
def test_all_who_live_elsewhere_move_and_nothing_is_lost(
    places: Places, route: str, moved: tuple[float, float]
) -> None:
    least, most = moved  # two shards become three: two thirds, and a third
    for seed in range(_TRIALS):
        counts, found = grow(places, seed, route=route)
        assert counts["write"] > 0
        assert least <= found["moved_share"] <= most
        assert found["pause_ms"] > 0
        assert (found["lost"], found["duplicated"], found["recovered"]) == (0, 0, 0)


def test_without_a_lock_what_was_written_meanwhile_is_lost(places: Places) -> None:
    for seed in range(_TRIALS):
        _, found = grow(places, seed, route="ring", fenced=False)
        assert found["moved_share"] > 0
        assert found["lost"] > 0, seed


def test_who_has_moved_already_is_found_where_they_live(places: Places) -> None:
    # A rehearsal has slices that no audit divides: the second finds the shard added.
    task = SliceTask(places, "growing_write", {"route": "ring"}, _LOAD, 0)
    run_slice(task)
    counts, found = grow(places, 2, route="ring")
    assert counts["write"] > 0
    assert found["moved_share"] > 0
    assert found["lost"] == 0
