"""Are the predicted times those of real servers?"""

import math
import time
from concurrent.futures import ThreadPoolExecutor

from scalelab import sql
from scalelab.grading import users
from scalelab.grading.exam import Exam
from scalelab.model import Budget, Place

_CPUS = 0.1
_MEMORY = 128 * 1024**2
_MOST = 6
_WITHIN = 0.2
_REPEATED = 3


def check(exam: Exam) -> None:
    divided = exam.random.randint(2600, 3000)
    alone = round(divided * exam.random.uniform(0.2, 0.4))
    asked = [exam.random.choice([4, 5]), _MOST]
    cluster = exam.up("sharding", budget=Budget(_CPUS, _MEMORY), shards=_MOST)
    places = list(cluster.places.values())
    measured = [[count, round(_report(places[:count], divided, alone), 3)] for count in (1, 2, 3)]
    predicted = exam.learner.call_many("seconds", [(measured, count) for count in asked])
    for count, said in zip(asked, predicted, strict=True):
        exam.require(
            type(said) in (int, float) and math.isfinite(said),
            f"seconds(..., {count}) is {said!r:.60}, not a number",
            "return a float",
        )
        took = _report(places[:count], divided, alone)
        exam.require(
            abs(said - took) <= _WITHIN * took,
            f"on {count} servers the report took {took:.2f} s, not {said:.2f} s; measured before "
            f"were {measured}",
        )
        exam.passed(f"{count} servers: you said {said:.2f} s, the report took {took:.2f} s")


def _report(places: list[Place], divided: int, alone: int) -> float:
    """Seconds that the report takes on these servers when nothing else disturbs it: the least."""
    sessions = [sql.connect(place) for place in places]
    try:
        for session in sessions:
            session.autocommit = True
            session.execute("SELECT 1")
        with ThreadPoolExecutor(len(sessions)) as pool:
            return min(_once(pool, sessions, divided, alone) for _ in range(_REPEATED))
    finally:
        for session in sessions:
            session.close()


def _once(pool, sessions, divided, alone) -> float:  # type: ignore[no-untyped-def]
    part = users.work(round(divided / len(sessions)))
    begun = time.monotonic()
    list(pool.map(lambda session: session.execute(part).fetchone(), sessions))
    sessions[0].execute(users.work(alone)).fetchone()
    return time.monotonic() - begun
