"""Is the predicted hit ratio that of a real cache?"""

import numbers

import redis

from scalelab.grading.exam import Exam
from scalelab.model import Budget, Place

_PAGES = 6_000
_OFF = 0.04
_BATCH = 500
_COUNTED = 40_000
_MB = 4
# What makes a look-up, in the cache itself: a round trip for each would take minutes.
_LOOK_UP = """
local hits = 0
for _, key in ipairs(ARGV) do
    if redis.call('GET', key) then hits = hits + 1
    else redis.call('SET', key, string.rep('x', 1500)) end
end
return hits
"""


def check(exam: Exam) -> None:
    place = exam.up(
        "caching", budget=Budget(None, None), policy="allkeys-random", maxmemory_mb=_MB
    ).places["cache"]
    for _ in range(2):
        popularity = _popularity(exam)
        measured, entries = _measure(exam, place, popularity)
        found = exam.learner.call("hit_ratio", popularity, entries, timeout_s=10)
        what = f"hit_ratio(<{_PAGES} pages>, {entries})"
        exam.require(
            isinstance(found, numbers.Real) and not isinstance(found, bool),
            f"{what} is {found!r:.60}, not a number",
            "return a float from 0 to 1",
        )
        exam.require(
            abs(found - measured) <= _OFF,
            f"{what} is {found:.3f}, and {measured:.3f} of {_COUNTED:,} look-ups hit",
        )
        exam.passed(f"{found:.3f} was predicted for {entries} entries, {measured:.3f} measured")


def _popularity(exam: Exam) -> list[float]:
    """A zipfian distribution with a skew of its own, in no order."""
    skew = exam.random.uniform(0.7, 1.0)
    weights = [rank**-skew for rank in range(1, _PAGES + 1)]
    exam.random.shuffle(weights)
    return [weight / sum(weights) for weight in weights]


def _measure(exam: Exam, place: Place, popularity: list[float]) -> tuple[float, int]:
    """The share of look-ups that hit a full cache, and how many pages it then held."""
    with redis.Redis(
        host=place.client.host, port=place.client.port, password=place.password
    ) as cache:
        cache.flushall()
        look_up = cache.register_script(_LOOK_UP)

        def ask(count: int) -> int:
            keys = exam.random.choices(range(_PAGES), popularity, k=count)
            return sum(
                int(look_up(args=keys[start : start + _BATCH])) for start in range(0, count, _BATCH)
            )

        ask(20_000)
        while int(cache.info("stats")["evicted_keys"]) == 0:
            ask(5_000)
        ask(20_000)  # what came in while it filled is not what stays
        entries = int(cache.dbsize())
        return ask(_COUNTED) / _COUNTED, entries
