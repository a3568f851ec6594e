"""Is the database asked once for many simultaneous misses, and are pages independent?"""

import contextlib
import threading
import time

import redis

from scalelab import sql
from scalelab.grading.exam import Exam
from scalelab.grading.sandbox import Query

_PAGES = 40
_READERS = 500
_WAIT_S = 20
_QUIET_S = 2
_SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE page (id int PRIMARY KEY, body text NOT NULL);
CREATE FUNCTION load_page(key int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared(key);  -- waits while the checker holds this page back
    PERFORM pg_advisory_unlock_shared(key);
    RETURN (SELECT body FROM page WHERE id = key);
END $$;
"""
_LOAD = "SELECT load_page(%s)"
_ASKED = "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE query LIKE %s"


def check(exam: Exam) -> None:
    places = exam.up("caching").places
    database = sql.connect(places["primary"])
    database.autocommit = True
    bodies = {n: f"page {n}: {exam.random.getrandbits(64):x}" for n in range(_PAGES)}
    database.execute(_SCHEMA)
    with database.cursor() as cursor:
        cursor.executemany("INSERT INTO page VALUES (%s, %s)", list(bodies.items()))

    def read(keys: list[int]) -> int:
        """Read pages, all at once; how often the database was asked for them."""
        before = _asked(database)
        query = Query(places["primary"], _LOAD)
        calls = [(places["cache"], query, key) for key in keys]
        found = exam.learner.call_many("page", calls, threads=len(keys), timeout_s=90)
        for key, body in zip(keys, found, strict=True):
            exam.require(body == bodies[key], f"page {key} is {body!r:.60}, not {bodies[key]!r}")
        return _asked(database) - before

    hot, *others = exam.random.sample(range(_PAGES), 21)
    with _held(database, hot, _nobody_looks_any_more(places["cache"], _READERS)):
        asked = read([hot] * _READERS)
    exam.require(
        asked == 1, f"{_READERS} readers missed one page at once: {asked} queries for it, not 1"
    )
    exam.passed(f"one query for {_READERS} simultaneous misses")
    asked = read([hot] * 50)
    exam.require(asked == 0, f"the page was in the cache: {asked} queries for it, not 0")
    exam.passed("no query for a page that is in the cache")
    many = others[:12] * 10
    exam.random.shuffle(many)
    asked = read(many)
    exam.require(asked == 12, f"120 readers missed 12 pages at once: {asked} queries, not 12")
    exam.passed("12 queries for 12 pages")
    held, free, before = others[12], others[13:18], _asked(database)
    # A query is counted when it ends: that of the page held back cannot be among them.
    with _held(database, held, lambda: _asked(database) >= before + len(free)) as came:
        read([held] * 30 + free)  # many of one, so that it is not last by chance
    exam.require(came == [True], "while one page was slow, readers of other pages had to wait")
    exam.passed("a slow page makes nobody wait for other pages")
    database.close()


@contextlib.contextmanager
def _held(database, key, enough):  # type: ignore[no-untyped-def]
    """The database holds a page back until there is enough of something, or will not be.

    Yields a list that has, in the end, whether there was enough.
    """
    database.execute("SELECT pg_advisory_lock(%s)", (key,))
    came: list[bool] = []

    def release() -> None:
        deadline = time.monotonic() + _WAIT_S
        try:
            while not (found := enough()) and time.monotonic() < deadline:
                time.sleep(0.05)
            came.append(found)
        finally:
            database.execute("SELECT pg_advisory_unlock(%s)", (key,))

    releasing = threading.Thread(target=release)
    releasing.start()
    try:
        yield came
    finally:
        releasing.join()


def _nobody_looks_any_more(place, readers):  # type: ignore[no-untyped-def]
    """Whether every reader has looked into the cache in vain (or some never will)."""
    cache = redis.Redis(host=place.client.host, port=place.client.port, password=place.password)
    before, seen = int(cache.info("stats")["keyspace_misses"]), [(0, time.monotonic())]

    def enough() -> bool:
        missed = int(cache.info("stats")["keyspace_misses"]) - before
        if missed != seen[-1][0]:
            seen.append((missed, time.monotonic()))
        waited = time.monotonic() - seen[-1][1]
        return missed >= readers or (missed > 0 and waited > _QUIET_S)

    return enough


def _asked(database) -> int:  # type: ignore[no-untyped-def]
    return int(database.execute(_ASKED, ("%load_page($1)%",)).fetchone()[0])
