"""Is money kept whatever is killed, at whatever moment?"""

import time

from scalelab import sql
from scalelab.errors import AnswerFailed
from scalelab.grading.exam import Exam
from scalelab.grading.wire import Cut, Wires
from scalelab.model import Cluster, Places

_ACCOUNTS = 10
_BALANCE = 1000
_MOST = 24
"""Moments that are tried; of an answer with more, as many are drawn."""
_CUT_S = 5.0
_SETTLE_S = 20.0

_SCHEMA = """
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE note (name text PRIMARY KEY, said text);
"""
_FILL = """
INSERT INTO account SELECT id, %s FROM generate_series(0, %s - 1) id WHERE id %% %s = %s
"""
# What a killed process had begun may still be on its way to an end.
_LEFT = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def check(exam: Exam) -> None:
    cluster = exam.up("sharding", shards=2)
    places = cluster.places
    for number, place in enumerate(places.values()):
        with sql.connect(place) as connection:
            connection.execute(_SCHEMA)
            connection.execute(_FILL, (_BALANCE, _ACCOUNTS, len(places), number))
    steps = _plain(exam, places)
    exam.passed("money moves, and the sum is kept, when nobody dies")
    moments = [Cut(at, answered) for at in range(1, steps + 1) for answered in (False, True)]
    if len(moments) > _MOST:
        moments = exam.random.sample(moments, _MOST)
    for number, cut in enumerate(moments):
        _cut_off(exam, places, cut, steps, again=number % 4 == 0)
    exam.passed(f"killed at {len(moments)} moments of a transfer, both shards or neither changed")
    for name in places:
        _server_killed(exam, cluster, name, steps)
    exam.passed("a server that is killed under a transfer changes nothing of that")


def _plain(exam: Exam, places: Places) -> int:
    """Transfers that nobody disturbs; how many statements the last of them took."""
    with Wires(places) as wires:
        steps = 0
        for number in range(4):
            before, (source, target, amount) = _balances(places), _drawn(exam)
            sent = wires.statements
            exam.learner.call("transfer", list(wires.places.values()), source, target, amount)
            steps = wires.statements - sent
            _must_have_happened(exam, places, before, source, target, amount)
            if number == 1:
                exam.learner.call("recover", list(wires.places.values()))
    exam.learner.kill()
    _must_be_settled(exam, places, "after transfers that nobody disturbed")
    return steps


def _cut_off(exam: Exam, places: Places, cut: Cut, steps: int, *, again: bool) -> None:
    before, (source, target, amount) = _balances(places), _drawn(exam)
    with Wires(places, cut) as wires:
        exam.learner.begin("transfer", list(wires.places.values()), source, target, amount)
        wires.ended.wait(_CUT_S)
        exam.learner.kill()
    when = "after" if cut.answered else "before"
    moment = f"killed {when} statement {cut.at} of {steps} was done"
    _recover(exam, places, again=again)
    _must_be_whole(exam, places, before, (source, target, amount), moment)


def _server_killed(exam: Exam, cluster: Cluster, name: str, steps: int) -> None:
    places, (source, target, amount) = cluster.places, _drawn(exam)
    before = _balances(places)
    at = exam.random.randint(max(1, steps // 2), steps)
    with Wires(places, Cut(at, answered=True)) as wires:
        exam.learner.begin("transfer", list(wires.places.values()), source, target, amount)
        wires.ended.wait(_CUT_S)
        exam.clusters.stop(cluster.name, [name], kill=True)
        exam.learner.kill()
    exam.clusters.start(cluster.name, [name])
    _recover(exam, places, again=False)
    moment = f"{name} killed after statement {at} of {steps}"
    _must_be_whole(exam, places, before, (source, target, amount), moment)


def _recover(exam: Exam, places: Places, *, again: bool) -> None:
    """In a new process each time; ``again`` after one that was killed at its first decision."""
    _wait_for_backends(places)
    if again:
        with Wires(places, Cut(exam.random.randint(2, 6), answered=True)) as wires:
            exam.learner.begin("recover", list(wires.places.values()))
            # One that needs fewer statements is done: its sessions are open, but it is idle.
            wires.ended.wait(1)
            exam.learner.kill()
        _wait_for_backends(places)
    exam.learner.call("recover", list(places.values()), timeout_s=20)
    exam.learner.kill()


def _wait_for_backends(places: Places) -> None:
    deadline = time.monotonic() + _SETTLE_S
    for place in places.values():
        with sql.connect(place) as connection:
            connection.autocommit = True
            while connection.execute(_LEFT).fetchone() != (0,) and time.monotonic() < deadline:
                connection.execute("SELECT pg_sleep(0.01)")


def _drawn(exam: Exam) -> tuple[int, int, int]:
    """A source, a target on the other shard, and an amount."""
    source = exam.random.randrange(_ACCOUNTS)
    target = (source + 1 + 2 * exam.random.randrange(_ACCOUNTS // 2)) % _ACCOUNTS
    return source, target, exam.random.randint(1, 50)


def _balances(places: Places) -> dict[int, int]:
    found: dict[int, int] = {}
    for place in places.values():
        with sql.connect(place) as connection:
            found.update(connection.execute("SELECT id, balance FROM account").fetchall())
    return found


def _after(before: dict[int, int], source: int, target: int, amount: int) -> dict[int, int]:
    return {**before, source: before[source] - amount, target: before[target] + amount}


def _must_have_happened(
    exam: Exam, places: Places, before: dict[int, int], source: int, target: int, amount: int
) -> None:
    now, said = _balances(places), f"transfer(shards, {source}, {target}, {amount}) returned, but"
    for account, balance in _after(before, source, target, amount).items():
        exam.require(
            now.get(account) == balance,
            f"{said} account {account} went from {before[account]} to {now.get(account)}, "
            f"not to {balance}",
        )


def _must_be_whole(
    exam: Exam, places: Places, before: dict[int, int], drawn: tuple[int, int, int], moment: str
) -> None:
    _must_be_settled(exam, places, f"{moment}, then recovered")
    now = _balances(places)
    if now in (before, _after(before, *drawn)):
        return
    off = sum(now.values()) - sum(before.values())
    source, target, amount = drawn
    lost = (
        f"{abs(off)} {'appeared' if off > 0 else 'vanished'}" if off else "another account changed"
    )
    raise AnswerFailed(
        f"{moment}: of {amount} from account {source} to {target}, {lost}",
        "it must happen on both shards or on neither; see the exercise's README, or ask for a hint",
    )


def _must_be_settled(exam: Exam, places: Places, when: str) -> None:
    for name, place in places.items():
        with sql.connect(place) as connection:
            row = connection.execute("SELECT count(*) FROM pg_prepared_xacts").fetchone()
        exam.require(row == (0,), f"{when}: {name} has a transaction in doubt")
