"""Do pages that are cached together expire apart, and none too late or too early?"""

import bisect
import time

import redis

from scalelab import sql
from scalelab.grading.exam import Exam
from scalelab.grading.sandbox import Query

_PAGES = 300
_MOST = 1 / 3
_SCHEMA = "CREATE TABLE page (id int PRIMARY KEY, body text NOT NULL)"
_LOAD = "SELECT body FROM page WHERE id = %s"


def check(exam: Exam) -> None:
    places = exam.up("caching").places
    where = places["cache"]
    cache = redis.Redis(
        host=where.client.host, port=where.client.port, password=where.password, retry=None
    )
    with sql.connect(places["primary"]) as database, cache:
        database.autocommit = True
        database.execute(_SCHEMA)
        pages = _Pages(exam, cache, database, places)
        pages.kept()
        long_s = exam.random.uniform(60, 600)
        short_s = exam.random.choice((2.5, 2.8, 3, 3.3))
        for ttl_s in (round(long_s), short_s, round(long_s / 7, 3)):
            pages.spread(ttl_s)


class _Pages:
    """What is in the database and in the cache, and what the learner says of it."""

    def __init__(self, exam, cache, database, places) -> None:  # type: ignore[no-untyped-def]
        self.exam, self.cache, self.database, self.node = exam, cache, database, places["cache"]
        self.query = Query(places["primary"], _LOAD)
        database.execute(
            "INSERT INTO page SELECT n, 'first ' || n FROM generate_series(0, %s) n", (_PAGES - 1,)
        )

    def read(self, key: int, ttl_s: float) -> str:
        found = self.exam.learner.call("page", self.node, self.query, key, ttl_s)
        body = f"first {key}"
        self.exam.require(found == body, f"page {key} is {found!r:.60}, not {body!r}")
        return str(found)

    def kept(self) -> None:
        """A page in the cache is not asked for again: a change in the database is not seen yet."""
        keys = self.exam.random.sample(range(_PAGES), 20)
        for key in keys:
            self.read(key, 600)
        self.database.execute("UPDATE page SET body = 'second ' || id")
        for key in keys:
            self.read(key, 600)
        self.database.execute("UPDATE page SET body = 'first ' || id")
        self.exam.passed("a page that is in the cache is read from there")

    def spread(self, ttl_s: float) -> None:
        """How long each of many pages will stay, by the cache's own word right after it came."""
        self.cache.flushall()
        stays_s = []
        for key in self.exam.random.sample(range(_PAGES), _PAGES):
            began = time.monotonic()
            self.read(key, ttl_s)
            left_ms = self.cache.pttl(f"page:{key}")
            took_s = time.monotonic() - began
            self._bounds(key, left_ms / 1000, took_s, ttl_s)
            stays_s.append(left_ms / 1000)
        stays_s.sort()
        tenth = ttl_s / 10
        most = max(
            bisect.bisect_right(stays_s, first + tenth) - number
            for number, first in enumerate(stays_s)
        )
        self.exam.require(
            most <= _MOST * _PAGES,
            f"with ttl_s={ttl_s:g} {most} of {_PAGES} pages cached at one moment would expire "
            f"within {tenth:.3g} s: more than a third",
        )
        self.exam.passed(
            f"ttl_s={ttl_s:g}: {_PAGES} pages expire one by one, at most {most} in {tenth:.3g} s"
        )

    def _bounds(self, key: int, left_s: float, took_s: float, ttl_s: float) -> None:
        said = f"page({key}) with ttl_s={ttl_s:g}: in the cache page:{key} "
        self.exam.require(left_s != -0.001, f"{said}never expires")
        # One that is gone already may have been there, if it took so long to look.
        self.exam.require(left_s != -0.002 or took_s > ttl_s / 2, f"{said}is not there")
        self.exam.require(left_s <= ttl_s, f"{said}stays for {left_s:.3g} s")
        self.exam.require(
            left_s + took_s >= ttl_s / 2 - 0.001, f"{said}stays for {left_s:.3g} s only"
        )
