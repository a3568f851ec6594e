"""Is the fleet the cheapest, and do real servers of it serve all when one of them is killed?"""

import math

from scalelab.errors import Inconclusive
from scalelab.grading import users
from scalelab.grading.exam import Exam
from scalelab.model import Budget

_CPUS = {"small": 0.08, "medium": 0.16, "large": 0.32}
_MEMORY = 128 * 1024**2
_MOST_CPUS = 0.5
_USERS = 4
_SPARE, _NOISE = 1.1, 0.8
_LISTS = 60
_TRIED = 3
_TRIES = 10_000


def check(exam: Exam) -> None:
    for _ in range(_LISTS):
        machines = _priced(
            exam, {name: exam.random.uniform(80, 120) * cpus * 10 for name, cpus in _CPUS.items()}
        )
        _ask(exam, machines, round(exam.random.uniform(20, 3000), 1))
    exam.passed(f"the cheapest fleet that survives, for {_LISTS} price lists")

    query = users.work(exam.random.randint(8, 12))
    measured = {}
    for name, cpus in _CPUS.items():
        place = exam.up("single", budget=Budget(cpus, _MEMORY)).places["primary"]
        measured[name] = users.throughput([place], query, _USERS)
    machines, needed = _affordable(exam, measured)
    name, count = _ask(exam, machines, needed)
    cluster = exam.up("sharding", budget=Budget(_CPUS[name], _MEMORY), shards=count)
    dead = exam.random.choice(list(cluster.places))
    exam.clusters.stop(cluster.name, [dead], kill=True)
    alive = [place for node, place in cluster.places.items() if node != dead]
    served = 0.0
    for _ in range(_TRIED):  # the best of them: whatever else runs here can only take away
        served = max(served, users.throughput(alive, query, _USERS * len(alive)))
        if served >= _NOISE * needed:
            break
    else:
        # By the figures measured above the answer is right: then the machine is at fault.
        raise Inconclusive(
            f"this machine is too busy: {count} {name} machines without {dead} served "
            f"{served:.0f} of {needed:.0f} requests a second",
            "check it again later",
        )
    exam.passed(f"{count} {name} machines, {dead} killed: {served:.0f}/s for {needed:.0f}/s needed")


def _priced(exam: Exam, throughput: dict[str, float]) -> list[dict]:  # type: ignore[type-arg]
    listed = [
        {
            "name": name,
            "throughput": round(rate, 1),
            # A little cheaper or dearer for its size, as price lists are.
            "price": round(500 * _CPUS[name] * exam.random.uniform(0.75, 1.25), 2),
        }
        for name, rate in throughput.items()
    ]
    exam.random.shuffle(listed)
    return listed


def _affordable(exam: Exam, measured: dict[str, float]):  # type: ignore[no-untyped-def]
    """Prices and a need whose best fleet fits this machine, and is a little more than enough."""
    for _ in range(_TRIES):
        machines = _priced(exam, measured)
        needed = round(exam.random.uniform(0.5, 4) * measured["small"], 1)
        best = min(machines, key=lambda machine: _count(machine, needed) * machine["price"])
        count = _count(best, needed)
        enough = (count - 1) * best["throughput"] >= _SPARE * needed
        if enough and count * _CPUS[best["name"]] <= _MOST_CPUS:
            return machines, needed
    raise Inconclusive(
        f"this machine is too busy: its figures make no sense ({measured})", "check it again later"
    )


def _count(machine, needed) -> int:  # type: ignore[no-untyped-def]
    return math.ceil(needed / machine["throughput"]) + 1


def _ask(exam: Exam, machines, needed) -> tuple[str, int]:  # type: ignore[no-untyped-def]
    answer = exam.learner.call("fleet", machines, needed)
    named = {machine["name"]: machine for machine in machines}
    asked = f"fleet() for {needed:,.1f} requests a second of {machines}"
    exam.require(
        isinstance(answer, list) and len(answer) == 2 and answer[0] in named,
        f"{asked} is {answer!r:.60}, not a name and a number",
        'return two values, such as: return "small", 3',
    )
    name, count = answer
    exam.whole_number(count, f"{asked}: the number of machines", 1, 10**6)
    left = (count - 1) * named[name]["throughput"]
    exam.require(
        left >= needed,
        f"{asked} is {count} {name}: when one is dead, the others serve {left:,.1f}",
    )
    price = count * named[name]["price"]
    least = min(_count(machine, needed) * machine["price"] for machine in machines)
    exam.require(
        price <= least * 1.000001,
        f"{asked} is {count} {name} for {price:,.2f} a month; it can be done for {least:,.2f}",
    )
    return name, count
