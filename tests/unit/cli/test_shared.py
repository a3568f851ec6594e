"""Variants that are alike share a cluster where their lab says so, and only there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from scalelab import catalog
from scalelab.cli import config, running
from scalelab.model import Budget, Lab, Variant

LAB = Lab(
    title="T",
    question="Q?",
    counted="read",
    variants=(
        Variant("plain", "caching", "product_page"),
        Variant(
            "cached",
            "caching",
            "product_page",
            params={"maxmemory_mb": 64},  # the default, said
            options={"cache": True},
        ),
        Variant("small", "caching", "product_page", params={"maxmemory_mb": 2}),
        Variant("larger", "caching", "product_page", scale=2),
        Variant("other", "single", "point_read_write"),
    ),
)


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a plan's variants get, by names of clusters that are only names."""

    class Clusters:
        @contextlib.contextmanager
        def borrowed(self, name: str, *_: Any) -> Iterator[Any]:
            yield SimpleNamespace(name=name)

    monkeypatch.setattr(config, "clusters", Clusters)
    monkeypatch.setattr(config, "choose_runtime", lambda *_: ("local", ""))

    def up(lab: Lab, *, aa: bool = False) -> list[str]:
        load = running.load(lab, duration=1, seed=1, workers=1, quick=True)
        plan = running.Plan("x", lab, lab.variants, load, 1, True, "local", Budget(), aa=aa)
        with running.clusters(plan) as found:
            return [cluster.name for cluster in found.values()]

    return up


def test_each_variant_has_its_own_unless_the_lab_says_so(up: Any) -> None:
    assert len(set(up(LAB))) == 5


def test_what_is_alike_shares_the_cluster_of_the_first(up: Any) -> None:
    names = up(replace(LAB, shared=True))
    assert names[:2] == ["bench-x-plain"] * 2
    assert len(set(names)) == 4


def test_a_variant_against_itself_has_one(up: Any) -> None:
    assert len(set(up(LAB, aa=True))) == 1


def test_no_lab_of_servers_that_are_cheap_shares() -> None:
    assert not catalog.lab("caching").shared
