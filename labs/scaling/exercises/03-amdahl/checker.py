"""Are the predicted times those of real servers?"""

import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from scalelab import sql
from scalelab.errors import Inconclusive
from scalelab.grading import users
from scalelab.grading.exam import Exam
from scalelab.model import Budget, Place

_MADE_UP = 40
_CPUS = 0.1
_MEMORY = 128 * 1024**2
_MOST = 6
_WITHIN = 0.2
_SURE = 0.1
"""How far off the right method may be before the machines, not the answer, are to blame."""
_REPEATED = 3
_MEASURED = (1, 2, 3)


def check(exam: Exam) -> None:
    _made_up(exam)
    divided = exam.random.randint(2600, 3000)
    alone = round(divided * exam.random.uniform(0.2, 0.4))
    asked = [exam.random.choice([4, 5]), _MOST]
    cluster = exam.up("sharding", budget=Budget(_CPUS, _MEMORY), shards=_MOST)
    places = list(cluster.places.values())
    measured: list[list[float]] = []
    for count in _MEASURED:
        measured.append([count, round(min(_reports(places[:count], divided, alone)), 3)])
    for count, said in zip(asked, _said(exam, [(measured, n) for n in asked]), strict=True):
        took = math.inf
        for each in _reports(places[:count], divided, alone):
            took = min(took, each)
            if abs(said - took) <= _WITHIN * took:
                break
        else:
            figures = (
                f"on {count} servers the report took {took:.2f} s, not {said:.2f} s; measured "
                f"before were {measured}"
            )
            if abs(_by_the_law(measured, count) - took) > _SURE * took:
                raise Inconclusive(f"this machine is too busy: {figures}", "check it again later")
            exam.require(False, figures)
        exam.passed(f"{count} servers: you said {said:.2f} s, the report took {took:.2f} s")


def _made_up(exam: Exam) -> None:
    """Reports that nobody disturbs."""
    draw = exam.random
    laws = [(draw.uniform(0.5, 2), draw.uniform(3, 9)) for _ in range(_MADE_UP)]
    asked = [
        ([[n, round(alone + divided / n, 3)] for n in _MEASURED], draw.randint(_MOST, 3 * _MOST))
        for alone, divided in laws
    ]
    for (measured, n), said, law in zip(asked, _said(exam, asked), laws, strict=True):
        right = law[0] + law[1] / n
        exam.require(
            abs(said - right) <= _WITHIN * right,
            f"seconds({measured}, {n}) is {said:.2f}, and that report takes {right:.2f} s",
        )
    exam.passed(f"the times of {_MADE_UP} made-up reports")


def _said(exam: Exam, asked: list[tuple[list[list[float]], int]]) -> list[float]:
    found = exam.learner.call_many("seconds", asked, timeout_s=20)
    for (_, count), said in zip(asked, found, strict=True):
        exam.require(
            type(said) in (int, float) and math.isfinite(said),
            f"seconds(..., {count}) is {said!r:.60}, not a number",
            "return a float",
        )
    return found


def _by_the_law(measured: list[list[float]], count: int) -> float:
    shares = [1 / servers for servers, _ in measured]
    divided, alone = statistics.linear_regression(shares, [took for _, took in measured])
    return alone + divided / count


def _reports(places: list[Place], divided: int, alone: int) -> Iterator[float]:
    """Seconds that the report takes on these servers, a few times; the least is disturbed least."""
    sessions = [sql.connect(place) for place in places]
    part = users.work(round(divided / len(sessions)))
    try:
        for session in sessions:
            session.autocommit = True
            session.execute("SELECT 1")
        with ThreadPoolExecutor(len(sessions)) as pool:
            for _ in range(_REPEATED):
                begun = time.monotonic()
                list(pool.map(lambda session: session.execute(part).fetchone(), sessions))
                sessions[0].execute(users.work(alone)).fetchone()
                yield time.monotonic() - begun
    finally:
        for session in sessions:
            session.close()
