"""Does it wait as long as it must, no longer, and without asking all the time?"""

import math
import time

import psycopg

from scalelab import sql
from scalelab.errors import Inconclusive
from scalelab.grading.exam import Exam
from scalelab.model import Cluster

_LATE_S = 0.2
_TRIES = 3
_SLACK_S = 0.3
"""What a busy machine may add to the quickest of so many tries, in seconds."""
_QUERIES_A_S = 50
_PATIENCE_S = 30.0
_LATER = "check it again when the machine is less busy"

_WRITTEN = "SELECT pg_current_wal_flush_lsn()::text"
_SEEN = "SELECT count(*) FROM entry WHERE number = %s"
# Of a session that has ended, so that its count is final.
_ASKED = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'lab'"
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def check(exam: Exam) -> None:
    delay_ms = exam.random.randint(700, 1300)
    cluster = exam.up("replication", replicas=2, apply_delay_ms=delay_ms, delayed=1)
    with sql.connect(cluster.places["primary"]) as primary:
        primary.autocommit = True
        primary.execute("CREATE TABLE entry (number int PRIMARY KEY)")
        writer = _Writer(exam, cluster, primary)
        writer.until_the_table_is_everywhere()
        writer.shows("replica1", 3, "a replica that is hardly late")
        writer.shows("primary", 1, "the primary")
        writer.shows("replica2", 3, f"a replica that is {delay_ms} ms late")
        writer.gives_up("replica2", exam.random.uniform(0.2, 0.4))
        writer.is_sparing("replica2", delay_ms / 1000)


class _Writer:
    """Writes on the primary, and has the learner wait for it elsewhere."""

    def __init__(self, exam: Exam, cluster: Cluster, primary: psycopg.Connection) -> None:
        self.exam, self.cluster, self.primary = exam, cluster, primary
        self.number = 0

    def write(self) -> str:
        self.number += 1
        self.primary.execute("INSERT INTO entry VALUES (%s)", (self.number,))
        return str(_one(self.primary, _WRITTEN))

    def until_the_table_is_everywhere(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        for place in self.cluster.places.values():
            with sql.connect(place) as session:
                session.autocommit = True
                while _one(session, "SELECT to_regclass('entry')") is None:
                    if time.monotonic() > deadline:
                        raise Inconclusive(f"{place.node.name} does not replicate", _LATER)
                    time.sleep(0.02)

    def wait(self, node: str, lsn: str, timeout_s: float) -> tuple[bool, float]:
        place = self.cluster.places[node]
        began = time.monotonic()
        answer = self.exam.learner.call("wait_for", place, lsn, timeout_s, timeout_s=timeout_s + 10)
        took = time.monotonic() - began
        self.exam.require(
            type(answer) is bool, f"wait_for() returned {answer!r:.60}", "return True or False"
        )
        return answer, took

    def shows(self, node: str, times: int, what: str) -> None:
        with sql.connect(self.cluster.places[node]) as session:
            session.autocommit = True
            for _ in range(times):
                shown, took = self.wait(node, self.write(), 8.0)
                # Asked at once, or a replica would catch up in the meantime.
                seen = _one(session, _SEEN, self.number)
                self.exam.require(
                    shown,
                    f"of {what} you say after {took:.1f} s that it does not show a write,"
                    f" and it {'does' if seen else 'had 8 s to'}",
                )
                self.exam.require(
                    seen == 1,
                    f"of {what} you say that it shows a write, and a read does not see it",
                )
        self.exam.passed(f"{what} was waited for")

    def gives_up(self, node: str, timeout_s: float) -> None:
        quickest = math.inf
        for _ in range(_TRIES):
            shown, took = self.wait(node, self.write(), timeout_s)
            self.exam.require(not shown, f"{node} cannot show a write after {took:.2f} s")
            self.exam.require(
                took >= timeout_s - 0.05,
                f"with a time-out of {timeout_s:.2f} s you gave up after {took:.2f} s already",
            )
            quickest = min(quickest, took)
        self.exam.require(
            quickest <= timeout_s + _LATE_S + _SLACK_S,
            f"with a time-out of {timeout_s:.2f} s you gave up after {quickest:.2f} s",
        )
        self.exam.passed("a time-out is kept")

    def is_sparing(self, node: str, delay_s: float) -> None:
        """Long waits: how often did it ask, and how soon did it know?"""
        self.exam.learner.kill()
        waited, quickest = 0.0, math.inf
        with sql.connect(self.cluster.places[node]) as session:
            session.autocommit = True
            before = self._asked(session)
            self.wait(node, "0/0", 8.0)  # connected now, and not within the time that is measured
            for _ in range(_TRIES):
                shown, took = self.wait(node, self.write(), 8.0)
                self.exam.require(shown, f"{node} shows a write after {delay_s:.1f} s, you say not")
                waited, quickest = waited + took, min(quickest, took)
            self.exam.learner.kill()
            asked = self._asked(session) - before
        most = _QUERIES_A_S * waited + 20
        self.exam.require(
            asked <= most, f"you asked {asked:,} times in {waited:.1f} s, not {most:.0f} at most"
        )
        self.exam.require(
            quickest <= delay_s + _LATE_S + _SLACK_S,
            f"{node} was {delay_s:.1f} s late, and you noticed after {quickest:.1f} s",
        )
        self.exam.passed("it asks seldom and knows soon")

    def _asked(self, session: psycopg.Connection) -> int:
        deadline = time.monotonic() + _PATIENCE_S
        while _one(session, _OTHERS):
            if time.monotonic() > deadline:
                raise Inconclusive("a session of the answer did not end", _LATER)
            time.sleep(0.02)
        return int(str(_one(session, _ASKED)))


def _one(session: psycopg.Connection, query: str, *values: object) -> object:
    row = session.execute(query, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]
