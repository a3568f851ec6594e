"""Routers: even where they should be, hot where they must be, sparing when a shard is added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

import pytest

from scalelab.errors import UnknownName
from scalelab.load.keys import Keys
from scalelab.workloads._routers import router

_KEYS = 20_000
_NEW = range(_KEYS, 2 * _KEYS)
_POPULAR = list(islice(Keys(_KEYS, "ranked").stream((1,)), 30_000))
WAYS = ["modulo", "range", "directory", "ring"]


def hottest(way: str, keys: Iterable[int], shards: int) -> float:
    counts = Counter(map(router(way, shards, _KEYS), keys))
    assert set(counts) <= set(range(shards))
    return max(counts.values()) * shards / counts.total()


def moved(way: str, shards: int) -> float:
    before, after = router(way, shards, _KEYS), router(way, shards + 1, _KEYS)
    return sum(before(key) != after(key) for key in range(_KEYS)) / _KEYS


@pytest.mark.parametrize("shards", [2, 3, 8])
def test_new_keys(shards: int) -> None:
    assert hottest("range", _NEW, shards) == shards
    for way in ("modulo", "directory"):
        assert hottest(way, _NEW, shards) < 1.01
    assert hottest("ring", _NEW, shards) < 1.2


@pytest.mark.parametrize("shards", [3, 8])
def test_popular_keys(shards: int) -> None:
    assert hottest("range", _POPULAR, shards) > 0.7 * shards
    assert hottest("modulo", _POPULAR, shards) > 1.08
    assert hottest("directory", _POPULAR, shards) < 1.05


def test_a_shard_more() -> None:
    assert moved("modulo", 3) == pytest.approx(3 / 4, abs=0.01)
    assert moved("ring", 3) == pytest.approx(1 / 4, abs=0.05)
    # On a ring keys move to the new shard only.
    before, after = router("ring", 3, _KEYS), router("ring", 4, _KEYS)
    assert all(after(key) in (before(key), 3) for key in range(_KEYS))


@pytest.mark.parametrize("way", WAYS)
def test_a_place_never_changes(way: str) -> None:
    made = router.__wrapped__
    keys = [*range(50), *_NEW[:50]]
    assert [made(way, 5, _KEYS)(key) for key in keys] == [made(way, 5, _KEYS)(key) for key in keys]


def test_an_unknown_way() -> None:
    with pytest.raises(UnknownName, match="modul"):
        router("modul", 3, _KEYS)
