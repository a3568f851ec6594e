"""Is the predicted knee that of a real server with the CPU the seed chose?"""

import math

from scalelab.errors import Inconclusive
from scalelab.grading import users
from scalelab.grading.exam import Exam
from scalelab.model import Budget

_MADE_UP = 40
_SMALL = 0.05
_MEMORY = 256 * 1024**2
_WITHIN = 0.2
_SURE = 0.1
"""How far off the right method may be before the machine, not the answer, is to blame."""
_TRIED = 3
_FEW_TO_MANY = (1, 2, 4, 8, 16)
_ENOUGH = 40


def check(exam: Exam) -> None:
    for _ in range(_MADE_UP):
        _made_up(exam)
    exam.passed(f"the knee of {_MADE_UP} made-up machines")

    wanted = round(exam.random.uniform(0.1, 0.15), 2)
    think_s = round(exam.random.uniform(0.1, 0.13), 3)
    query = users.work(exam.random.randint(14, 18))

    def measured(cluster, number):  # type: ignore[no-untyped-def]
        place = cluster.places["primary"]
        return users.throughput([place], query, number, think_s=think_s)

    small = exam.up("single", budget=Budget(_SMALL, _MEMORY))
    pairs = [[number, round(measured(small, number), 1)] for number in _FEW_TO_MANY]
    predicted = _asked(exam, pairs, _SMALL, wanted)
    exam.passed(f"of {_SMALL} cores you said: full at {predicted:.1f} users with {wanted}")

    large = exam.up("single", budget=Budget(wanted, _MEMORY))
    slope = measured(large, 4) / 4
    level = 0.0
    for _ in range(_TRIED):  # the best of them: whatever else runs here can only take away
        level = max(level, measured(large, _ENOUGH))
        found = level / slope
        if abs(predicted - found) <= _WITHIN * found:
            exam.passed(f"measured: full at {found:.1f} users, which is within {_WITHIN:.0%}")
            return
    figures = (
        f"a user made {slope:.1f} requests a second, and {wanted} cores served {level:.0f}: full "
        f"at {found:.1f} users, not at {predicted:.1f}; the small machine's figures were {pairs}"
    )
    right = _knee(pairs, _SMALL, wanted)
    if abs(right - found) > _SURE * found:
        raise Inconclusive(f"this machine is too busy: {figures}", "check it again later")
    exam.require(False, figures)


def _made_up(exam: Exam) -> None:
    """A machine that nobody disturbs."""
    cpus = round(exam.random.uniform(0.1, 4), 2)
    wanted = round(cpus * exam.random.uniform(1.5, 4), 2)
    slope, full = exam.random.uniform(5, 20), exam.random.uniform(4.2, 7.8)
    pairs = [[number, round(slope * min(number, full), 1)] for number in _FEW_TO_MANY]
    predicted, right = _asked(exam, pairs, cpus, wanted), full * wanted / cpus
    exam.require(
        abs(predicted - right) <= _WITHIN * right,
        f"knee({pairs}, {cpus}, {wanted}) is {predicted:.1f}, and that machine is full at "
        f"{right:.1f} users",
    )


def _asked(exam: Exam, pairs: list[list[float]], cpus: float, wanted: float) -> float:
    predicted = exam.learner.call("knee", pairs, cpus, wanted)
    exam.require(
        type(predicted) in (int, float) and math.isfinite(predicted),
        f"knee() is {predicted!r:.60}, not a number",
        "return a float",
    )
    return float(predicted)


def _knee(pairs: list[list[float]], cpus: float, wanted: float) -> float:
    level = max(rate for _, rate in pairs) * wanted / cpus
    return level / max(rate / number for number, rate in pairs)
