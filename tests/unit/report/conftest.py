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


@pytest.fixture
def swept():
    """A sweep of clients: a variant with a knee at about 14, and one that flattens."""
    return made_up.swept()


@pytest.fixture
def sized():
    """A sweep of replicas beside a constant baseline."""
    return made_up.sized()
