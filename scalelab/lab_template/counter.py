"""Every operation adds one to a counter, which lives in one row or in the sum of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.model import Places
from scalelab.protocols import SessionContext

_ROWS = 64

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS counter (id int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO counter SELECT id, 0 FROM generate_series(0, {_ROWS - 1}) id ON CONFLICT DO NOTHING;
"""


class Counter:
    """What ``scalelab`` asks of a workload: four facts and three functions."""

    summary = "one more on a counter, a durable commit each"
    keys = _ROWS
    distribution = "uniform"

    def load(self, places: Places) -> None:
        """Make schema and data, once a cluster; doing it again is harmless."""
        for place in sql.primaries(places):
            with sql.connect(place) as connection:
                connection.execute(_SCHEMA)

    def versions(self, places: Places) -> Sequence[int]:
        """For workloads whose reads are judged for staleness; this one has none."""
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        """One client of the application, with the variant's options."""
        return _Session(context, int(options["rows"]))


class _Session:
    def __init__(self, context: SessionContext, rows: int) -> None:
        self.context, self.rows = context, rows
        self.db = context.connect("primary")
        self.db.prepare("add", "UPDATE counter SET n = n + 1 WHERE id = $1")

    async def operate(self) -> str:
        """One operation; its kind is what the lab counts."""
        await self.db.execute("add", self.context.next_key() % self.rows)
        return "write"


WORKLOAD = Counter()
