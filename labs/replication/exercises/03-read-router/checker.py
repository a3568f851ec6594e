"""Do users see their own writes, do replicas take the reads, and is nothing lost in a failover?"""

import threading
import time
from collections.abc import Callable
from typing import Any

from scalelab import sql
from scalelab.errors import AnswerFailed, Inconclusive
from scalelab.grading.exam import Exam
from scalelab.grading.sandbox import Query
from scalelab.model import Cluster

_USERS, _KEYS, _ROUNDS = 8, 40, 45
_READS = 9
"""After each write."""
_SHARE = 0.8
_UNDER_LOAD = 1500
_THREADS = 4
_PATIENCE_S = 60.0
_LATER = "check it again when the machine is less busy"

_SCHEMA = """
CREATE TABLE note (key text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO note SELECT 'shared' || n, 0 FROM generate_series(0, 39) n
"""
_QUERIES = {
    "read": "SELECT value FROM note WHERE key = %s",
    "write": """
        INSERT INTO note VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value""",
    "leads": "SELECT NOT pg_is_in_recovery()",
    "position": """
        SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint""",
}
# Of sessions that have ended, so that the counts are final.
_SCANS = "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'note'"
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def check(exam: Exam) -> None:
    delay_ms = exam.random.randint(300, 600)
    cluster = exam.up("replication", replicas=2, sync="on", apply_delay_ms=delay_ms, delayed=1)
    with sql.connect(cluster.places["primary"]) as primary:
        primary.execute(_SCHEMA)
    for place in cluster.places.values():
        _until(lambda place=place: _ask(place, "SELECT to_regclass('note')") is not None)  # type: ignore[misc]
    router = _Router(exam, cluster)
    _routed(router)
    exam.learner.kill()
    _failed_over(router)


class _Router:
    """The learner's functions, and what each user was promised."""

    def __init__(self, exam: Exam, cluster: Cluster) -> None:
        self.exam, self.cluster = exam, cluster
        self.nodes = {
            name: {what: Query(place, text) for what, text in _QUERIES.items()}
            for name, place in cluster.places.items()
        }
        self.promised: dict[tuple[str, str], int] = {}

    def write(self, user: str, key: str, value: int) -> bool:
        done = self.exam.learner.call("write", self.nodes, user, key, value, timeout_s=30)
        if self.boolean(done):
            self.promised[user, key] = value
        return bool(done)

    def boolean(self, done: object) -> bool:
        self.exam.require(
            type(done) is bool, f"write() returned {done!r:.60}", "return True or False"
        )
        return bool(done)

    def read(self, user: str, key: str, when: str = "") -> None:
        value = self.exam.learner.call("read", self.nodes, user, key, timeout_s=30)
        least = self.promised.get((user, key), 0)
        self.exam.require(
            type(value) is int and value >= least,
            f"{when}{user} wrote {least} to {key!r}, and read {value!r:.60}"
            if (user, key) in self.promised
            else f"{when}{user} read {value!r:.60} from {key!r}, which has a value",
        )


def _routed(router: _Router) -> None:
    exam, places = router.exam, router.cluster.places
    before = {name: _scans(place) for name, place in places.items()}
    value = reads = writes = 0
    for _ in range(_ROUNDS):
        user = f"user{exam.random.randrange(_USERS)}"
        key, value = f"{user}/{exam.random.randrange(4)}", value + 1
        exam.require(router.write(user, key, value), "write() is False, and the primary is there")
        writes += 1
        router.read(user, key)
        for _ in range(_READS - 1):
            # Others go on reading, and so does who has just written.
            other = exam.random.choice([user, f"user{exam.random.randrange(_USERS)}"])
            own = [key for who, key in router.promised if who == other]
            shared = f"shared{exam.random.randrange(_KEYS)}"
            router.read(other, exam.random.choice([shared, *own]))
        reads += _READS
    exam.passed(f"{_USERS} users saw what they wrote, in {reads} reads after {writes} writes")
    exam.learner.kill()
    on_replicas = sum(
        _scans(place) - before[name] for name, place in places.items() if place.node.follows
    )
    exam.require(
        on_replicas >= _SHARE * reads,
        f"{on_replicas} of {reads} reads went to replicas: {on_replicas / reads:.0%}, not 80%",
    )
    exam.passed(f"{min(on_replicas / reads, 1):.0%} of the reads went to replicas")


def _failed_over(router: _Router) -> None:
    """The primary is killed under writes; then there is none; then another one leads."""
    exam, cluster = router.exam, router.cluster
    for user in ("early", "late"):
        exam.require(router.write(user, f"{user}/0", 1), "write() is False, the primary is there")
    entries = [(f"clerk{n % 5}", f"entry{n}", n + 1) for n in range(_UNDER_LOAD)]
    answers: list[Any] = []
    failures: list[AnswerFailed] = []

    def writing() -> None:
        try:
            calls = [(router.nodes, *entry) for entry in entries]
            answers.extend(
                exam.learner.call_many("write", calls, threads=_THREADS, timeout_s=_PATIENCE_S)
            )
        except AnswerFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=writing)
    thread.start()
    written = "SELECT count(*) >= 100 FROM note WHERE key LIKE 'entry%'"
    _until(lambda: bool(failures) or _ask(cluster.places["primary"], written) is True)
    exam.clusters.stop(cluster.name, ["primary"], kill=True)
    thread.join()
    if failures:
        raise failures[0]
    for (user, key, value), done in zip(entries, answers, strict=True):
        if router.boolean(done):
            router.promised[user, key] = value
    for user in ("early", "late"):
        router.read(user, f"{user}/0", "with the primary dead, ")
    router.write("early", "early/0", 2)  # whatever it says is taken at its word
    replicas = [name for name in cluster.places if name != "primary"]
    received = {name: _received(cluster, name) for name in replicas}
    heir = max(replicas, key=lambda name: received[name])
    exam.clusters.promote(cluster.name, heir)
    deadline = time.monotonic() + _PATIENCE_S
    tries = 0
    while not router.write("late", "late/0", 3):
        tries += 1
        exam.require(
            tries < 20 and time.monotonic() < deadline,
            f"write() is still False, and {heir} has long been the primary",
        )
        time.sleep(0.1)
    with sql.connect(exam.clusters.find(cluster.name).places[heir]) as session:
        there = dict(session.execute("SELECT key, value FROM note").fetchall())
    lost = [key for (_, key), value in router.promised.items() if there.get(key, 0) < value]
    exam.require(
        not lost,
        f"{len(lost)} writes that you called confirmed are lost, such as that of {lost[:1]}",
    )
    for user in ("early", "late"):
        router.read(user, f"{user}/0", f"with {heir} leading, ")
    confirmed = sum(map(bool, answers))
    exam.passed(f"none of {confirmed} confirmed writes was lost when the primary was killed")


def _received(cluster: Cluster, name: str) -> int:
    place = cluster.places[name]
    _until(lambda: _ask(place, "SELECT count(*) FROM pg_stat_wal_receiver") == 0)
    return int(str(_ask(place, "SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint")))


def _scans(place: Any) -> int:
    _until(lambda: _ask(place, _OTHERS) == 0)
    return int(str(_ask(place, _SCANS) or 0))


def _ask(place: Any, query: str) -> object:
    with sql.connect(place) as session:
        row = session.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise Inconclusive("the servers did not come to where the check goes on", _LATER)
        time.sleep(0.02)
