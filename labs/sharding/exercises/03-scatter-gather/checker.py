"""Are answers of all shards those of one server, and is little fetched for them?"""

import math
from typing import Any

from scalelab import sql
from scalelab.grading.exam import Exam
from scalelab.grading.wire import Wires
from scalelab.model import Places

_PLAYERS = 6000
_TEAMS = 12
_POINTS = 400
_ROW = 40
"""Bytes of a row of two numbers in PostgreSQL's protocol, generously."""
_ANSWER = 600
"""Bytes around the rows of one query, generously."""

_SCHEMA = """
CREATE TABLE player (id int PRIMARY KEY, team int NOT NULL, points int NOT NULL);
CREATE INDEX ON player (points DESC, id);
"""

Player = tuple[int, int, int]


def check(exam: Exam) -> None:
    places = exam.up("sharding", shards=3).places
    players = _made(exam, places)
    order = sorted(players, key=lambda player: (-player[2], player[0]))
    with Wires(places) as wires:
        shards = list(wires.places.values())
        exam.learner.call("mean", shards, 0)  # connects
        for skip, count in [(0, 10), (0, 1), *_pages(exam), (_PLAYERS - 3, 10), (0, 0)]:
            before = wires.received
            found = exam.learner.call("page", shards, skip, count)
            expected = [[id, points] for id, _, points in order[skip : skip + count]]
            _same_page(exam, found, expected, f"page(shards, {skip}, {count})")
            rows = 3 * min(skip + count, _PLAYERS)
            _little(exam, wires.received - before, rows, f"page(shards, {skip}, {count})")
        exam.passed("pages are right, ties included, and little is fetched for them")
        for team in range(_TEAMS + 1):
            points = [points for _, its, points in players if its == team]
            before = wires.received
            found = exam.learner.call("mean", shards, team)
            _same_mean(exam, found, sum(points) / len(points) if points else None, team)
            _little(exam, wires.received - before, 3, f"mean(shards, {team})")
        exam.passed("means are right, and little is fetched for them")


def _made(exam: Exam, places: Places) -> list[Player]:
    """Players in no order; one shard has most of the best, another most of some teams."""
    draw = exam.random
    players: list[Player] = []
    shards: list[list[Player]] = [[] for _ in places]
    for id in draw.sample(range(10 * _PLAYERS), _PLAYERS):
        player = (id, draw.randrange(_TEAMS), draw.randrange(_POINTS))
        best = player[2] > 0.9 * _POINTS or player[1] % 3 == 0
        home = 0 if best and draw.random() < 0.8 else draw.randrange(len(shards))
        if player[1] % 3 == 0 and home == 0:
            player = (id, player[1], min(player[2] * 2, _POINTS))
        players.append(player)
        shards[home].append(player)
    for place, mine in zip(places.values(), shards, strict=True):
        with sql.connect(place) as connection, connection.cursor() as cursor:
            cursor.execute(_SCHEMA)
            with cursor.copy("COPY player FROM STDIN") as copy:
                for player in mine:
                    copy.write_row(player)
    return players


def _pages(exam: Exam) -> list[tuple[int, int]]:
    return [(exam.random.randint(5, 300), exam.random.randint(5, 30)) for _ in range(6)]


def _same_page(exam: Exam, found: Any, expected: list[list[int]], what: str) -> None:
    exam.require(isinstance(found, list), f"{what} is {found!r:.60}, not a list")
    exam.require(
        len(found) == len(expected),
        f"{what} has {len(found)} players, not {len(expected)}",
    )
    for number, (mine, right) in enumerate(zip(found, expected, strict=True)):
        exam.require(mine == right, f"{what}: number {number + 1} is {mine!r:.40}, not {right}")


def _same_mean(exam: Exam, found: Any, expected: float | None, team: int) -> None:
    what = f"mean(shards, {team})"
    if expected is None:
        exam.require(found is None, f"{what} is {found!r:.40}, and that team has no players")
        return
    exam.require(type(found) in (int, float), f"{what} is {found!r:.40}, not a number")
    exam.require(
        math.isclose(found, expected, rel_tol=1e-9), f"{what} is {found:.6g}, not {expected:.6g}"
    )


def _little(exam: Exam, received: int, rows: int, what: str) -> None:
    most = 3 * (rows * _ROW + 3 * _ANSWER)
    exam.require(
        received <= most, f"{what} fetched {received:,} bytes from the shards; {most:,} are enough"
    )
