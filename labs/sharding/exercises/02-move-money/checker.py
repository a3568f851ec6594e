"""Is money kept whatever is killed, at whatever moment?"""

import time

from scalelab import sql
from scalelab.errors import AnswerFailed
from scalelab.grading.exam import Exam
from scalelab.grading.wire import Cut, Wires
from scalelab.model import Budget, Cluster

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


class _Bank:
    """The shards, and one session of ours with each."""

    def __init__(self, cluster: Cluster) -> None:
        self.places = cluster.places
        self._sessions = {name: sql.connect(place) for name, place in self.places.items()}
        for number, session in enumerate(self._sessions.values()):
            session.autocommit = True
            session.execute(_SCHEMA)
            session.execute(_FILL, (_BALANCE, _ACCOUNTS, len(self.places), number))

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def restarted(self, name: str) -> None:
        self._sessions[name].close()
        self._sessions[name] = sql.connect(self.places[name])
        self._sessions[name].autocommit = True

    def balances(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for session in self._sessions.values():
            found.update(session.execute("SELECT id, balance FROM account").fetchall())
        return found

    def in_doubt(self) -> list[str]:
        """The shards that have transactions in doubt."""
        count = "SELECT count(*) FROM pg_prepared_xacts"
        found = {name: session.execute(count) for name, session in self._sessions.items()}
        return [name for name, rows in found.items() if rows.fetchone() != (0,)]

    def wait(self) -> None:
        """Until nobody but us is there."""
        deadline = time.monotonic() + _SETTLE_S
        for session in self._sessions.values():
            while session.execute(_LEFT).fetchone() != (0,) and time.monotonic() < deadline:
                session.execute("SELECT pg_sleep(0.005)")


def check(exam: Exam) -> None:
    cluster = exam.up("sharding", budget=Budget(0.5, 256 * 1024**2), shards=2)
    bank = _Bank(cluster)
    try:
        _check(exam, cluster, bank)
    finally:
        bank.close()


def _check(exam: Exam, cluster: Cluster, bank: _Bank) -> None:
    steps = _plain(exam, bank)
    exam.passed("money moves, and the sum is kept, when nobody dies")
    moments = [Cut(at, answered) for at in range(1, steps + 1) for answered in (False, True)]
    if len(moments) > _MOST:
        moments = exam.random.sample(moments, _MOST)
    for number, cut in enumerate(moments):
        _cut_off(exam, bank, cut, steps, again=number % 4 == 0)
    exam.passed(f"killed at {len(moments)} moments of a transfer, both shards or neither changed")
    for name in bank.places:
        _server_killed(exam, cluster, bank, name, steps)
    exam.passed("a server that is killed under a transfer changes nothing of that")


def _plain(exam: Exam, bank: _Bank) -> int:
    """Transfers that nobody disturbs; how many statements the last of them took."""
    with Wires(bank.places) as wires:
        steps = 0
        for number in range(4):
            before, (source, target, amount) = bank.balances(), _drawn(exam)
            sent = wires.statements
            exam.learner.call("transfer", list(wires.places.values()), source, target, amount)
            steps = wires.statements - sent
            _must_have_happened(exam, bank, before, source, target, amount)
            if number == 1:
                exam.learner.call("recover", list(wires.places.values()))
    exam.learner.kill()
    _must_be_settled(exam, bank, "after transfers that nobody disturbed")
    return steps


def _cut_off(exam: Exam, bank: _Bank, cut: Cut, steps: int, *, again: bool) -> None:
    before, (source, target, amount) = bank.balances(), _drawn(exam)
    with Wires(bank.places, cut) as wires:
        exam.learner.begin("transfer", list(wires.places.values()), source, target, amount)
        wires.ended.wait(_CUT_S)
        exam.learner.kill()
    when = "after" if cut.answered else "before"
    moment = f"killed {when} statement {cut.at} of {steps} was done"
    _recover(exam, bank, again=again)
    _must_be_whole(exam, bank, before, (source, target, amount), moment)


def _server_killed(exam: Exam, cluster: Cluster, bank: _Bank, name: str, steps: int) -> None:
    source, target, amount = _drawn(exam)
    before = bank.balances()
    at = exam.random.randint(max(1, steps // 2), steps)
    with Wires(bank.places, Cut(at, answered=True)) as wires:
        exam.learner.begin("transfer", list(wires.places.values()), source, target, amount)
        wires.ended.wait(_CUT_S)
        exam.clusters.stop(cluster.name, [name], kill=True)
        exam.learner.kill()
    exam.clusters.start(cluster.name, [name])
    bank.restarted(name)
    _recover(exam, bank, again=False)
    moment = f"{name} killed after statement {at} of {steps}"
    _must_be_whole(exam, bank, before, (source, target, amount), moment)


def _recover(exam: Exam, bank: _Bank, *, again: bool) -> None:
    """In a new process; ``again`` in another one after the first was killed on its way."""
    bank.wait()
    if again:
        with Wires(bank.places, Cut(exam.random.randint(2, 6), answered=True)) as wires:
            exam.learner.begin("recover", list(wires.places.values()))
            # One that needs fewer statements is done: its sessions are open, but it is idle.
            wires.ended.wait(1)
            exam.learner.kill()
        bank.wait()
    exam.learner.call("recover", list(bank.places.values()), timeout_s=20)


def _drawn(exam: Exam) -> tuple[int, int, int]:
    """A source, a target on the other shard, and an amount."""
    source = exam.random.randrange(_ACCOUNTS)
    target = (source + 1 + 2 * exam.random.randrange(_ACCOUNTS // 2)) % _ACCOUNTS
    return source, target, exam.random.randint(1, 50)


def _after(before: dict[int, int], source: int, target: int, amount: int) -> dict[int, int]:
    return {**before, source: before[source] - amount, target: before[target] + amount}


def _must_have_happened(
    exam: Exam, bank: _Bank, before: dict[int, int], source: int, target: int, amount: int
) -> None:
    now, said = bank.balances(), f"transfer(shards, {source}, {target}, {amount}) returned, but"
    for account, balance in _after(before, source, target, amount).items():
        exam.require(
            now.get(account) == balance,
            f"{said} account {account} went from {before[account]} to {now.get(account)}, "
            f"not to {balance}",
        )


def _must_be_whole(
    exam: Exam, bank: _Bank, before: dict[int, int], drawn: tuple[int, int, int], moment: str
) -> None:
    _must_be_settled(exam, bank, f"{moment}, then recovered")
    now = bank.balances()
    if now in (before, _after(before, *drawn)):
        return
    off = sum(now.values()) - sum(before.values())
    source, target, amount = drawn
    lost = (
        f"{abs(off)} {'appeared' if off > 0 else 'vanished'}" if off else "another account changed"
    )
    raise AnswerFailed(
        f"{moment}: of {amount} from account {source} to {target}, {lost}",
        "it must happen on both shards or on neither",
    )


def _must_be_settled(exam: Exam, bank: _Bank, when: str) -> None:
    doubtful = bank.in_doubt()
    exam.require(not doubtful, f"{when}: {', '.join(doubtful)}: a transaction is in doubt")
