"""The share of a core as the kernel takes it."""

from __future__ import annotations

import pytest

from scalelab.runtimes import budgets


@pytest.mark.parametrize(
    ("cpus", "quota_us", "period_us"),
    [
        (0.2, 2_000, 10_000),
        (1, 10_000, 10_000),
        (2.5, 25_000, 10_000),
        (0.1, 1_000, 10_000),
        (0.05, 1_000, 20_000),
        (0.01, 1_000, 100_000),
    ],
)
def test_quota_is_the_share_within_the_kernels_bounds(
    cpus: float, quota_us: int, period_us: int
) -> None:
    assert budgets.quota(cpus) == (quota_us, period_us)
