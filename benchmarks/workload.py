"""The peers' own operations, as a workload: one kind, chosen by the option ``operation``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from scalelab.model import Places
from scalelab.protocols import SessionContext

SCALE = 5
ACCOUNTS = 100_000 * SCALE
HIT_SHARE = 0.9
_MISS_EVERY = 10
WARM = 1000
"""Accounts 1 to this are in the cache before a cache-aside slice, and stay there."""


class Peers:
    summary, keys, distribution = "what pgbench and redis-benchmark do", ACCOUNTS, "uniform"

    def load(self, places: Places) -> None: ...

    def versions(self, places: Places) -> tuple[int, ...]:
        return ()

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Any:
        sessions = {
            "select": _Select,
            "update": _Update,
            "get": _Get,
            "ping": _Ping,
            "cache-aside": _CacheAside,
        }
        return sessions[options["operation"]](context)


WORKLOAD = Peers()

_SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = $1"


class _Select:
    def __init__(self, context: SessionContext) -> None:
        self.next_key, self.db = context.next_key, context.connect("postgres")
        self.db.prepare("select", _SELECT)

    async def operate(self) -> str:
        row = await self.db.execute("select", self.next_key() + 1)
        assert row.get_value(0, 0) is not None
        return "operation"


class _Update:
    """pgbench's simple-update, statement by statement."""

    def __init__(self, context: SessionContext) -> None:
        self.next_key, self.chance = context.next_key, context.random.random
        self.db = context.connect("postgres")
        history = "pgbench_history (tid, bid, aid, delta, mtime)"
        for name, sql in {
            "begin": "BEGIN",
            "update": "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
            "select": _SELECT,
            "insert": f"INSERT INTO {history} VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
            "end": "END",
        }.items():
            self.db.prepare(name, sql)

    async def operate(self) -> str:
        execute, chance = self.db.execute, self.chance
        account, delta = self.next_key() + 1, int(10_001 * chance()) - 5000
        await execute("begin")
        await execute("update", delta, account)
        await execute("select", account)
        teller, branch = 1 + int(10 * SCALE * chance()), 1 + int(SCALE * chance())
        await execute("insert", teller, branch, account, delta)
        await execute("end")
        return "operation"


class _Get:
    def __init__(self, context: SessionContext) -> None:
        self.cache = context.connect("redis")

    async def operate(self) -> str:
        # The one key redis-benchmark asks for by default.
        await self.cache.get("key:__rand_int__")
        return "operation"


class _Ping:
    def __init__(self, context: SessionContext) -> None:
        self.cache = context.connect("redis")

    async def operate(self) -> str:
        await self.cache.execute("PING")
        return "operation"


class _CacheAside:
    """Look in the cache, else ask the database and fill the cache.

    Nine reads of ten are of a warm account, the tenth is of one nobody read for long: each session
    goes through cold accounts of its own, and what it fills expires before it comes again.
    """

    def __init__(self, context: SessionContext) -> None:
        self.context, self.next_key = context, context.next_key
        self.db, self.cache = context.connect("postgres"), context.connect("redis")
        self.db.prepare("select", _SELECT)
        cold = range(WARM + 1 + context.number, ACCOUNTS, context.sessions)
        start = int(len(cold) * context.random.random())
        self.next_cold = itertools.cycle(itertools.chain(cold[start:], cold[:start])).__next__
        self.next_turn = itertools.count(context.number).__next__

    async def operate(self) -> str:
        cold = self.next_turn() % _MISS_EVERY == 0
        await self.read(self.next_cold() if cold else 1 + self.next_key() % WARM)
        return "operation"

    async def read(self, account: int) -> bytes:
        cached = await self.cache.get(account)
        if cached is not None:
            self.context.count("hit")
            return cached
        self.context.count("miss")
        row = await self.db.execute("select", account)
        balance = row.get_value(0, 0)
        await self.cache.set(account, balance, px=100)
        return balance
