"""Money moved between accounts on two shards, by coordinators some of which die on the way."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scalelab import sql
from scalelab.errors import RequestFailed, UnknownName
from scalelab.model import Audit, Load, Places
from scalelab.protocols import SessionContext

if TYPE_CHECKING:
    import psycopg

_ACCOUNTS = 600
_BALANCE = 1_000
_COMMITS = ("apart", "two-phase")

# Locks of transactions in doubt stay until somebody decides: who meets one must not wait for ever.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE IF NOT EXISTS booking
    (transfer text PRIMARY KEY, account int NOT NULL, amount int NOT NULL);
ALTER DATABASE lab SET lock_timeout = '200ms';
"""
_FILL = """
INSERT INTO account SELECT id, %(balance)s FROM generate_series(0, %(accounts)s - 1) id
WHERE id %% %(shards)s = %(shard)s ON CONFLICT (id) DO UPDATE SET balance = excluded.balance
"""
# The booking is the shard's own word, kept or lost with the change: "this transfer happened".
_CHANGE = """
WITH booking AS (INSERT INTO booking VALUES ($1, $2, $3))
UPDATE account SET balance = balance + $3 WHERE id = $2
"""
_ASK = """
SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = $1),
       EXISTS (SELECT FROM booking WHERE transfer = $1)
"""
_LEFT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scalelab load'"


class Transfer:
    """Every operation takes an amount from an account and gives it to one on another shard.

    With ``commit="apart"`` both shards commit, one after the other; with ``"two-phase"`` both first
    prepare. A share ``dies`` of the coordinators drops its connections on the way: between the two
    commits, or anywhere from the first preparation on. The next operation of that session, a
    coordinator that was started again, settles what it left in doubt, unless ``recovers`` is False.
    """

    summary = "money moved between two shards; coordinators die on the way; the sum must be kept"
    keys = _ACCOUNTS
    distribution = "uniform"

    def load(self, places: Places) -> None:
        sql.define(places, _SCHEMA)
        self.audit(places, None)

    def versions(self, places: Places) -> Sequence[int]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> _Session:
        commit = str(options.get("commit", "apart"))
        if commit not in _COMMITS:
            raise UnknownName("way to commit", commit, _COMMITS)
        return _Session(
            context,
            two_phase=commit == "two-phase",
            dies=float(options.get("dies", 0)),
            recovers=bool(options.get("recovers", True)),
        )

    def audit(self, places: Places, load: Load | None) -> Audit:
        """Count what is in doubt, settle it, and add up all balances; then begin anew."""
        shards = sql.primaries(places)
        with contextlib.ExitStack() as stack:
            sessions = [stack.enter_context(sql.connect(place)) for place in shards]
            for session in sessions:
                session.autocommit = True
                while session.execute(_LEFT).fetchone() != (0,):
                    session.execute("SELECT pg_sleep(0.01)")  # a backend whose client just left
            in_doubt = settle(sessions)
            balance = sum(
                _one(each, "SELECT coalesce(sum(balance), 0) FROM account") for each in sessions
            )
            for number, session in enumerate(sessions):
                session.execute("TRUNCATE booking")
                given = {"balance": _BALANCE, "accounts": _ACCOUNTS}
                session.execute(_FILL, {**given, "shards": len(shards), "shard": number})
        off = abs(balance - _ACCOUNTS * _BALANCE)
        return Audit(figures={"sum_error": float(off), "in_doubt": float(in_doubt)})


def settle(shards: Sequence[psycopg.Connection[Any]]) -> int:
    """Commit or roll back every transaction in doubt, of coordinators that all are gone.

    Committed if any shard has its booking: then the coordinator had decided so. Otherwise no shard
    has committed, and none will: rolled back (presumed abort).

    Returns
    -------
    How many transfers were in doubt.
    """
    query = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    prepared = [[gid for (gid,) in shard.execute(query)] for shard in shards]
    names = {gid for gids in prepared for gid in gids}
    for name in names:
        found = "SELECT count(*) FROM booking WHERE transfer = %s"
        decided = any(shard.execute(found, (name,)).fetchone() != (0,) for shard in shards)
        for shard, gids in zip(shards, prepared, strict=True):
            if name in gids:
                shard.execute(_decision(name, commit=decided).encode())
    return len(names)


def _decision(name: str, *, commit: bool) -> str:
    return f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED '{name}'"


def _one(session: psycopg.Connection[Any], query: str) -> int:
    row = session.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


class _Died(Exception):
    """The coordinator ends where it stands."""


class _Session:
    def __init__(
        self, context: SessionContext, *, two_phase: bool, dies: float, recovers: bool
    ) -> None:
        self.context, self.chance = context, context.random
        self.two_phase, self.dies, self.recovers = two_phase, dies, recovers
        self.shards = [context.connect(place.node.name) for place in sql.primaries(context.places)]
        for shard in self.shards:
            shard.prepare("begin", "BEGIN")
            shard.prepare("change", _CHANGE)
            shard.prepare("commit", "COMMIT")
            shard.prepare("ask", _ASK)
        self.unsettled: list[tuple[str, Any, Any]] = []

    async def operate(self) -> str:
        while self.unsettled:
            await self.recover(*self.unsettled[-1])
            self.unsettled.pop()
        count = len(self.shards)
        source = self.context.next_key()
        home = (source + self.chance.randint(1, count - 1)) % count
        target = home + count * self.chance.randrange(_ACCOUNTS // count)
        giver, taker = self.shards[source % count], self.shards[home]
        amount, name = self.chance.randint(1, 10), uuid.uuid4().hex
        try:
            # Locks in the order of the shards: two transfers that cross would wait for each other,
            # and no server would see it.
            for account, change in sorted(
                ((source, -amount), (target, amount)), key=lambda part: part[0] % count
            ):
                shard = self.shards[account % count]
                await shard.execute("begin")
                await shard.execute("change", name, account, change)
            await self.commit(name, giver, taker)
        except (RequestFailed, _Died) as end:
            giver.close()
            taker.close()
            if self.two_phase and self.recovers:
                self.unsettled.append((name, giver, taker))
            if isinstance(end, RequestFailed):
                raise
            raise RequestFailed("coordinator died") from None
        return "transfer"

    async def commit(self, name: str, giver: Any, taker: Any) -> None:
        doomed = self.chance.random() < self.dies
        if not self.two_phase:
            await giver.execute("commit")
            if doomed:
                raise _Died
            await taker.execute("commit")
            return
        last = self.chance.randrange(3)
        for number, (shard, statement) in enumerate(
            (
                (giver, f"PREPARE TRANSACTION '{name}'"),
                (taker, f"PREPARE TRANSACTION '{name}'"),
                (giver, f"COMMIT PREPARED '{name}'"),
                (taker, f"COMMIT PREPARED '{name}'"),
            )
        ):
            await shard.run(statement)
            if doomed and number == last:
                raise _Died

    async def recover(self, name: str, *shards: Any) -> None:
        """Settle an earlier transfer of this session by what its shards know of it."""
        answers = [await shard.execute("ask", name) for shard in shards]
        decided = any(answer.get_value(0, 1) == b"t" for answer in answers)
        for shard, answer in zip(shards, answers, strict=True):
            if answer.get_value(0, 0) == b"t":
                await shard.run(_decision(name, commit=decided))


WORKLOAD = Transfer()
