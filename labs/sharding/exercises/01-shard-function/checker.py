"""Is the shard function stable, even, and sparing when a shard is added?"""

import threading

from scalelab import sql
from scalelab.grading.exam import Exam

_KEYS = 4000
_SCHEMA = "CREATE TABLE customer (key text PRIMARY KEY, seen int NOT NULL DEFAULT 0)"


def check(exam: Exam) -> None:
    families = _families(exam)
    _stable(exam, families)
    for shards in (3, exam.random.randint(4, 9)):
        for kind, keys in families.items():
            _even(exam, kind, keys, shards)
    exam.passed("keys of every kind are spread evenly")
    for shards in (3, exam.random.randint(4, 9)):
        _sparing(exam, [key for keys in families.values() for key in keys], shards)
    exam.passed("few keys move when a shard is added")
    _on_servers(exam, families["mixed"][:1500])


def _families(exam: Exam) -> dict[str, list[str]]:
    start, step = exam.random.randint(0, 10**6), exam.random.choice([4, 6, 8, 12])
    shop = exam.random.choice(["example.org", "example.com", "example.net"])
    named = [f"{exam.random.getrandbits(40):010x}@{shop}" for _ in range(_KEYS)]
    counted = [f"customer:{start + n}" for n in range(_KEYS)]
    mixed = [*counted[::2], *named[::2]]
    exam.random.shuffle(mixed)
    return {
        "counted": counted,
        f"counted in steps of {step}": [f"{start + step * n}" for n in range(_KEYS)],
        "named": named,
        "mixed": mixed,
    }


def _shards(exam: Exam, keys: list[str], shards: int) -> list[int]:
    found = exam.learner.call_many("shard", [(key, shards) for key in keys])
    return [
        exam.whole_number(number, f"shard({key!r}, {shards})", 0, shards - 1)
        for key, number in zip(keys, found, strict=True)
    ]


def _stable(exam: Exam, families: dict[str, list[str]]) -> None:
    keys = [key for kind in families.values() for key in kind[:200]]
    before = _shards(exam, keys, 5)
    exam.learner.kill()  # another process, another day
    exam.random.shuffle(order := list(range(len(keys))))
    after = _shards(exam, [keys[n] for n in order], 5)
    for n, number in zip(order, after, strict=True):
        exam.require(
            number == before[n],
            f"shard({keys[n]!r}, 5) was {before[n]}, and {number} in another process",
        )
    exam.passed("the same key has the same shard, also in another process")


def _even(exam: Exam, kind: str, keys: list[str], shards: int) -> None:
    counts = [0] * shards
    for number in _shards(exam, keys, shards):
        counts[number] += 1
    over = max(counts) / (len(keys) / shards)
    exam.require(
        over <= 1.3,
        f"of {len(keys):,} keys ({kind}, such as {keys[0]!r}) the fullest of {shards} shards has "
        f"{max(counts):,}: {over:.2f} times the mean, not 1.3",
    )


def _sparing(exam: Exam, keys: list[str], shards: int) -> None:
    before, after = _shards(exam, keys, shards), _shards(exam, keys, shards + 1)
    moved = sum(a != b for a, b in zip(before, after, strict=True)) / len(keys)
    exam.require(
        moved <= 1.5 / (shards + 1),
        f"from {shards} to {shards + 1} shards {moved:.0%} of the keys move, "
        f"not about {1 / (shards + 1):.0%}",
    )


def _on_servers(exam: Exam, keys: list[str]) -> None:
    """A fourth server is added while customers go on: nobody may be lost, or be there twice."""
    places = list(exam.up("sharding", shards=4).places.values())
    old = dict(zip(keys, _shards(exam, keys, 3), strict=True))
    late = [f"late:{n}" for n in range(500)]
    new = dict(zip([*keys, *late], _shards(exam, [*keys, *late], 4), strict=True))
    for number, place in enumerate(places):
        with sql.connect(place) as connection, connection.cursor() as cursor:
            cursor.execute(_SCHEMA)
            mine = [(key,) for key in keys if old[key] == number]
            cursor.executemany("INSERT INTO customer (key) VALUES (%s)", mine)

    failures: list[Exception] = []
    arriving = threading.Thread(target=_arrive, args=(places, late, new, failures))
    arriving.start()
    try:
        moved = _move(places, keys, old, new)
    finally:
        arriving.join()
    assert not failures, failures
    found: dict[str, list[int]] = {}
    for number, place in enumerate(places):
        with sql.connect(place) as connection:
            for (key,) in connection.execute("SELECT key FROM customer"):
                found.setdefault(key, []).append(number)
    again = dict(zip([*keys, *late], _shards(exam, [*keys, *late], 4), strict=True))
    for key in [*keys, *late]:
        exam.require(
            found.get(key) == [again[key]],
            f"{key!r} should be on shard {again[key]}, and is on {found.get(key, 'none')}",
        )
    exam.passed(f"a fourth server was added under writes: {moved:,} of {len(keys):,} keys moved")


def _arrive(places, late, new, failures) -> None:  # type: ignore[no-untyped-def]
    try:
        sessions = [sql.connect(place) for place in places]
        for session in sessions:
            session.autocommit = True
        for key in late:
            sessions[new[key]].execute("INSERT INTO customer (key) VALUES (%s)", (key,))
        for session in sessions:
            session.close()
    except Exception as error:
        failures.append(error)


def _move(places, keys, old, new) -> int:  # type: ignore[no-untyped-def]
    moving = [key for key in keys if old[key] != new[key]]
    sessions = [sql.connect(place) for place in places]
    for session in sessions:
        session.autocommit = True
    for key in moving:
        sessions[new[key]].execute("INSERT INTO customer (key) VALUES (%s)", (key,))
        sessions[old[key]].execute("DELETE FROM customer WHERE key = %s", (key,))
    for session in sessions:
        session.close()
    return len(moving)
