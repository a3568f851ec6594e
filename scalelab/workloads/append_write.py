"""Entries appended one by one, by clients that look for the new primary when theirs is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelab import sql
from scalelab.errors import RequestFailed
from scalelab.model import Audit, Load, Places
from scalelab.protocols import SessionContext

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (session bigint NOT NULL, number int NOT NULL, note text NOT NULL)
"""
_INSERT = "INSERT INTO entry VALUES ($1, $2, $3)"
_LEADS = "SELECT NOT pg_is_in_recovery()"
_NOTE = "x" * 80


class AppendWrite:
    """Every operation is one entry, an element of its session's set, durable once acknowledged.

    A client whose primary is gone asks the other nodes until one says that it leads, as a
    connection string with several hosts and ``target_session_attrs=primary`` does. The final read
    tells which acknowledged entries are not there.
    """

    summary = "entries appended one by one; what was acknowledged must be there in the end"
    keys = 1
    distribution = "uniform"

    def load(self, places: Places) -> None:
        with sql.connect(sql.primaries(places)[0]) as connection:
            connection.execute(_SCHEMA)
            connection.execute("TRUNCATE entry")

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        return _Session(context)

    def audit(self, places: Places, load: Load) -> Audit:
        with sql.connect(sql.primaries(places)[0]) as connection:
            # All slices append to one table; only this one's sessions are known to its worker.
            rows = connection.execute("SELECT session, number FROM entry").fetchall()
            connection.execute("TRUNCATE entry")
        return Audit(elements=rows)


class _Session:
    def __init__(self, context: SessionContext) -> None:
        self.adds, self.now = context.adds, context.now
        # Who leads is in the places, or else a lost client's to find out, as ever after.
        nodes = [place.node for place in sql.databases(context.places)]
        nodes.sort(key=lambda node: node.follows is not None)
        self.nodes = [context.connect(node.name) for node in nodes]
        for node in self.nodes:
            node.prepare("insert", _INSERT)
            node.prepare("leads", _LEADS)
        self.leader = self.nodes[0]
        self.lost = sum(node.follows is None for node in nodes) > 1

    async def operate(self) -> str:
        if self.lost:
            await self.find()
        number = self.adds.attempt(self.now())
        try:
            await self.leader.execute("insert", self.adds.session, number, _NOTE)
        except RequestFailed as failure:
            self.lost = True
            if not failure.lost:  # a server said no; what it did not say, nobody knows
                self.adds.failed(number)
            raise
        self.adds.acknowledged(number)
        return "write"

    async def find(self) -> None:
        """Make the node that leads the one to write to."""
        for node in self.nodes:
            try:
                answer = await node.execute("leads")
            except RequestFailed:
                continue
            if answer.get_value(0, 0) == b"t":
                self.leader, self.lost = node, False
                return
        raise RequestFailed("no primary", lost=True)


WORKLOAD = AppendWrite()
