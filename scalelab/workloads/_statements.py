"""How often the database was asked, by its own count (the extension pg_stat_statements)."""

from __future__ import annotations

from scalelab import sql
from scalelab.model import Load, Place

ZERO = "SELECT pg_stat_statements_reset()"
_CALLS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE %s"


def install(place: Place) -> None:
    """Make the count readable; the server has to have the library loaded."""
    with sql.connect(place) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def rate(place: Place, like: str, load: Load) -> float:
    """Queries a second of a slice whose text is ``like`` this, since the count was set to zero."""
    with sql.connect(place) as connection:
        row = connection.execute(_CALLS, (like,)).fetchone()
    assert row is not None
    return float(row[0]) / (load.warmup_s + load.duration_s)
