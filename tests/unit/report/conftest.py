"""The made-up runs as fixtures."""

import pytest

from tests import made_up


@pytest.fixture
def replication():
    """Three variants, stale reads, one claim of each outcome, a warning."""
    return made_up.replication()


@pytest.fixture
def caching():
    """Two variants, one of which counts hits and misses."""
    return made_up.caching()


@pytest.fixture
def staged():
    """An open loop of three stages, one of which one variant could not take."""
    return made_up.staged()
