"""Does a slow reader leave an old page in the cache? Two processes, held up on purpose."""

import threading
import time

from scalelab import sql
from scalelab.grading.exam import Exam
from scalelab.grading.sandbox import Query, Sandbox

_PAGES = 30
_WAIT_S = 20
_SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE page (id int PRIMARY KEY, version bigint NOT NULL DEFAULT 1, body text NOT NULL);
CREATE FUNCTION load_page(key int) RETURNS TABLE (version bigint, body text)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT p.version, p.body INTO version, body FROM page p WHERE p.id = key;
    PERFORM pg_advisory_lock_shared(key);  -- waits while the checker holds this reader up
    PERFORM pg_advisory_unlock_shared(key);
    RETURN NEXT;
END $$;
"""
_LOAD = "SELECT version, body FROM load_page(%s)"
_STORE = "UPDATE page SET body = %s, version = version + 1 WHERE id = %s RETURNING version"
_ASKED = "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE query LIKE %s"
_HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def check(exam: Exam) -> None:
    places = exam.up("caching").places
    with sql.connect(places["primary"]) as database, Sandbox(exam.learner.path) as other:
        database.autocommit = True
        database.execute(_SCHEMA)
        database.execute(
            "INSERT INTO page (id, body) SELECT n, 'first ' || n FROM generate_series(1, %s) n",
            (_PAGES,),
        )
        pages = _Pages(exam, database, places, other)
        keys = exam.random.sample(range(1, _PAGES + 1), 12)
        for key in keys[:4]:
            pages.write(key)
            pages.read(key, "after a change that nobody disturbed")
        exam.passed("a change is seen by all who read after it")
        for number, key in enumerate(keys[4:10]):
            pages.late_reader(key, changes=exam.random.randint(1, 3), known=number % 2 == 0)
        exam.passed("a reader that was held up leaves no old page behind")
        pages.kept(keys)
        exam.passed("pages that do not change are read from the cache")


class _Pages:
    """What is in the database, and what the learner's two processes say of it."""

    def __init__(self, exam, database, places, other) -> None:  # type: ignore[no-untyped-def]
        self.exam, self.database = exam, database
        self.learners = [exam.learner, other]
        self.cache = places["cache"]
        self.load, self.store = (Query(places["primary"], text) for text in (_LOAD, _STORE))

    def write(self, key: int) -> None:
        text = f"page {key}: {self.exam.random.getrandbits(48):x}"
        self.learners[1].call("write", self.cache, key, self.store, text)
        stored = self._body(key)
        self.exam.require(stored == text, f"write({key}, ...) left {stored!r} in the database")

    def read(self, key: int, when: str) -> None:
        for learner in self.learners:
            found, body = learner.call("read", self.cache, key, self.load), self._body(key)
            self.exam.require(
                found == body, f"{when}, read({key}) is {found!r:.60}, and the page is {body!r}"
            )

    def late_reader(self, key: int, *, changes: int, known: bool) -> None:
        """One process has its answer from the database, then waits while the other one writes."""
        if known:
            self.write(key)
        self.database.execute("SELECT pg_advisory_lock(%s)", (key,))
        failed: list[Exception] = []

        def reading() -> None:
            try:
                self.learners[0].call("read", self.cache, key, self.load, timeout_s=3 * _WAIT_S)
            except Exception as problem:
                failed.append(problem)

        late = threading.Thread(target=reading)
        late.start()
        try:
            # A page that the writer left in the cache needs no answer of the database.
            while late.is_alive() and self.database.execute(_HELD).fetchone() == (0,):
                time.sleep(0.01)
            for _ in range(changes):
                self.write(key)
        finally:
            self.database.execute("SELECT pg_advisory_unlock(%s)", (key,))
            late.join()
        if failed:
            raise failed[0]
        self.read(key, "after a change that a slow reader overlapped")

    def kept(self, keys: list[int]) -> None:
        for key in keys:
            self.read(key, "in the end")
        before = self._asked()
        for key in keys * 3:
            self.read(key, "in the end")
        asked = self._asked() - before
        self.exam.require(
            asked == 0, f"{6 * len(keys)} reads of pages just read: {asked} queries, not 0"
        )

    def _body(self, key: int) -> str:
        row = self.database.execute("SELECT body FROM page WHERE id = %s", (key,)).fetchone()
        return str(row[0])

    def _asked(self) -> int:
        return int(self.database.execute(_ASKED, ("%load_page($1)%",)).fetchone()[0])
