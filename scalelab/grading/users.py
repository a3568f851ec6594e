"""Users that think between two requests: what a checker measures throughput with.

Few and slow, each a thread: a checker needs the limits of small servers, not of the load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from scalelab import sql
from scalelab.model import Place

_SETTLE_S = 0.5


def work(units: int) -> str:
    """A query that costs nothing but CPU time, proportional to ``units`` (0.03 ms each, or so)."""
    numbers = f"SELECT generate_series(1, {1000 * units}) AS i"
    return f"SELECT sum(sqrt(i)) FROM ({numbers}) numbers"


def throughput(
    places: Sequence[Place], query: str, users: int, *, think_s: float = 0.0, seconds: float = 2.0
) -> float:
    """Requests a second that the servers answer, measured once it is steady.

    Parameters
    ----------
    places : PostgreSQL nodes; users are dealt out to them in turn.
    query : what each request asks.
    users : each sends its next request when it has thought about the last answer.
    think_s : how long that takes.
    seconds : how long is measured.

    Raises
    ------
    psycopg.Error : a server refused, or was lost.
    """
    answered, problems = [0] * users, []
    ready, over = threading.Barrier(users + 1), threading.Event()

    def user(number: int) -> None:
        try:
            with sql.connect(places[number % len(places)]) as session:
                session.autocommit = True
                session.execute(query)
                ready.wait()
                # Users who all came at once would go on doing so.
                over.wait(think_s * number / users)
                while not over.is_set():
                    session.execute(query)
                    answered[number] += 1
                    over.wait(think_s)
        except Exception as problem:
            problems.append(problem)
            ready.abort()

    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        time.sleep(_SETTLE_S)
        before, begun = sum(answered), time.monotonic()
        time.sleep(seconds)
        counted, took = sum(answered) - before, time.monotonic() - begun
    except threading.BrokenBarrierError:
        counted, took = 0, 1.0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]
    return counted / took
