"""Is the predicted knee that of a real server with the CPU the seed chose?"""

import math

from scalelab.grading import users
from scalelab.grading.exam import Exam
from scalelab.model import Budget

_SMALL = 0.05
_MEMORY = 256 * 1024**2
_WITHIN = 0.2


def check(exam: Exam) -> None:
    wanted = round(exam.random.uniform(0.1, 0.15), 2)
    think_s = round(exam.random.uniform(0.1, 0.13), 3)
    query = users.work(exam.random.randint(14, 18))

    def measured(cluster, number):  # type: ignore[no-untyped-def]
        place = cluster.places["primary"]
        return users.throughput([place], query, number, think_s=think_s)

    small = exam.up("single", budget=Budget(_SMALL, _MEMORY))
    pairs = [[number, round(measured(small, number), 1)] for number in (1, 2, 4, 8, 16, 32)]
    predicted = exam.learner.call("knee", pairs, _SMALL, wanted)
    exam.require(
        type(predicted) in (int, float) and math.isfinite(predicted),
        f"knee() is {predicted!r:.60}, not a number",
        "return a float",
    )
    exam.passed(f"of {_SMALL} cores you said: full at {predicted:.1f} users with {wanted}")

    large = exam.up("single", budget=Budget(wanted, _MEMORY))
    slope = measured(large, 4) / 4
    # The best of three: whatever else runs here can only take away.
    level = max(measured(large, 64) for _ in range(3))
    found = level / slope
    exam.require(
        abs(predicted - found) <= _WITHIN * found,
        f"a user made {slope:.1f} requests a second, and {wanted} cores served {level:.0f}: full "
        f"at {found:.1f} users, not at {predicted:.1f}; the small machine's figures were {pairs}",
    )
    exam.passed(f"measured: full at {found:.1f} users, which is within {_WITHIN:.0%}")
