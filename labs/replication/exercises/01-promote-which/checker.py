"""Does the answer name who has most of the log, and exactly what is lost? Also on real servers."""

import contextlib
import time

import psycopg

from scalelab import sql
from scalelab.errors import Inconclusive
from scalelab.grading.exam import Exam

_DISASTERS = 200
_WRITES = 90
_PATIENCE_S = 30.0

_HAS = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND flush_lsn >= %s"
# Without its slot a replica that has lost its connection cannot come back.
_CUT = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s"
_DROP = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
WHERE slot_name = %s AND NOT active
"""
_SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s"
_WRITTEN = "SELECT pg_current_wal_flush_lsn()::text"
_POSITIONS = "SELECT pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text"


def check(exam: Exam) -> None:
    disasters = [_disaster(exam) for _ in range(_DISASTERS)]
    asked = [disaster[:2] for disaster in disasters]
    found = exam.learner.call_many("promote", asked, timeout_s=20)
    for (replicas, acknowledged, name, lost), answer in zip(disasters, found, strict=True):
        said = _said(exam, answer)
        exam.require(
            said[0] == name, f"of {_listed(replicas)} you promote {said[0]}, but {name} has most"
        )
        _compared(exam, said[1], lost, f"with {_listed(replicas)}, {name} promoted,", acknowledged)
    exam.passed(f"{_DISASTERS} made-up disasters end as well as they can")
    _real(exam)


def _disaster(exam: Exam) -> tuple[list[dict[str, str | None]], list[list[object]], str, list[int]]:
    """Replicas, acknowledged writes, and the right answer."""
    chance = exam.random
    # Around a place where the text of a position becomes longer, or its upper half counts on.
    at = chance.choice([0x1000_0000, 0x1_0000_0000, 0xA_0000_0000, 0x10_0000_0000])
    at += chance.randint(-4000, 1000)
    writes = []
    for number in range(1, 31):
        at += chance.randint(60, 400)
        writes.append((number, at))
    replicas, has = [], {}
    for name in [f"replica{n}" for n in range(1, chance.randint(2, 5) + 1)]:
        reached = writes[chance.randint(0, 29)][1] + chance.choice([0, 0, 1, 17])
        replayed = reached - chance.choice([0, chance.randint(1, 6000)])
        restarted = chance.random() < 0.25
        received = None if restarted else _lsn(reached)
        replicas.append({"name": name, "received": received, "replayed": _lsn(replayed)})
        has[name] = replayed if restarted else reached
    best = max(has, key=lambda name: has[name])
    acknowledged: list[list[object]] = [[number, _lsn(position)] for number, position in writes]
    return replicas, acknowledged, best, [n for n, position in writes if position > has[best]]


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def _listed(replicas: list[dict[str, str | None]]) -> str:
    return ", ".join(
        f"{each['name']} (received {each['received']}, replayed {each['replayed']})"
        for each in replicas
    )


def _said(exam: Exam, answer: object) -> tuple[str, list[int]]:
    exam.require(
        isinstance(answer, dict) and set(answer) == {"promote", "lost"},
        f"promote() returned {answer!r:.60}",
        'return a dictionary: {"promote": name, "lost": [numbers]}',
    )
    assert isinstance(answer, dict)
    lost = answer["lost"]
    exam.require(
        isinstance(lost, list) and all(type(number) is int for number in lost),
        f"lost is {lost!r:.60}, not a list of whole numbers",
    )
    return answer["promote"], lost


def _compared(
    exam: Exam, said: list[int], lost: list[int], where: str, acknowledged: list[list[object]]
) -> None:
    lsns: dict[object, object] = {each[0]: each[1] for each in acknowledged}
    for number in sorted(set(said) ^ set(lost)):
        is_lost = "lost, and you say it is not" if number in lost else "there, and you say lost"
        exam.require(False, f"{where} write {number} (at {lsns.get(number)}) is {is_lost}")
    exam.require(said == lost, "lost names the right writes, but not each once and in order")


def _real(exam: Exam) -> None:
    """replica1 loses its link first; replica2 later, and it shows late what it has."""
    cluster = exam.up("replication", replicas=2, apply_delay_ms=3_600_000, delayed=1)
    names = ["replica1", "replica2"]
    first = exam.random.randint(20, 30)
    second = first + exam.random.randint(20, 30)
    acknowledged: list[list[object]] = []
    with sql.connect(cluster.places["primary"]) as primary:
        primary.autocommit = True
        primary.execute("CREATE TABLE entry (number int PRIMARY KEY)")
        for number in range(1, _WRITES + 1):
            primary.execute("INSERT INTO entry VALUES (%s)", (number,))
            lsn = str(_one(primary, _WRITTEN))
            acknowledged.append([number, lsn])
            if number in (first, second):
                _cut(primary, names[number == second], lsn)
    exam.clusters.stop(cluster.name, ["primary"], kill=True)
    replicas = []
    for name in names:
        with sql.connect(cluster.places[name]) as session:
            row = session.execute(_POSITIONS).fetchone()
            assert row is not None
            replicas.append({"name": name, "received": row[0], "replayed": row[1]})
    name, lost = _said(exam, exam.learner.call("promote", replicas, acknowledged))
    exam.require(name in names, f"you promote {name!r}, which is no replica")
    with sql.connect(cluster.places[name]) as session:
        session.autocommit = True
        session.execute("SELECT pg_promote()")
        there = {number for (number,) in session.execute("SELECT number FROM entry")}
    gone = [number for number in range(1, _WRITES + 1) if number not in there]
    exam.require(
        len(gone) == _WRITES - second,
        f"{name} lacks {len(gone)} acknowledged writes; with the other it would have been"
        f" {_WRITES - second}",
    )
    _compared(exam, lost, gone, f"after a real failover to {name}", acknowledged)
    exam.passed(f"a real failover to {name} lost the {len(gone)} writes you said")


def _cut(primary: psycopg.Connection, name: str, lsn: str) -> None:
    """Cut a replica off for good once it has this position."""
    deadline = time.monotonic() + _PATIENCE_S
    while _one(primary, _HAS, name, lsn) == 0:
        _wait(deadline, f"{name} did not receive {lsn}")
    while _one(primary, _SLOTS, name):
        primary.execute(_CUT, (name,))
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            primary.execute(_DROP, (name,))
        _wait(deadline, f"the slot of {name} was not to be dropped")


def _wait(deadline: float, late: str) -> None:
    if time.monotonic() > deadline:
        raise Inconclusive(late, "check it again when the machine is less busy")
    time.sleep(0.005)


def _one(session: psycopg.Connection, query: str, *values: object) -> object:
    row = session.execute(query, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]
