"""The syncer itself: take changes, write them, and only then let go of them."""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import TYPE_CHECKING

from scalelab.errors import RequestFailed
from scalelab.syncing import compare, rebuild, source, strategies
from scalelab.syncing.config import Config
from scalelab.syncing.index import Index
from scalelab.syncing.status import Status

if TYPE_CHECKING:
    import psycopg

_BACKOFF_S = (0.05, 1.0)
_LOOK_S = 0.5


class Syncer:
    """Follows the table until it is stopped, whatever happens to either server.

    Parameters
    ----------
    status : told how it stands.
    """

    def __init__(self, config: Config, status: Status) -> None:
        self._config, self._status = config, status
        self._strategy = strategies.find(config.strategy)
        self._stop = threading.Event()
        self._looked = 0.0

    def stop(self) -> None:
        """Have ``run`` return after the step under way."""
        self._stop.set()

    def run(self) -> None:
        """Follow. What fails is tried again, later each time: nothing was let go of."""
        import psycopg

        failures = 0
        while not self._stop.is_set():
            try:
                with (
                    source.connect(self._config.postgres) as connection,
                    Index(self._config.elasticsearch) as index,
                ):
                    self._prepare(connection, index)
                    while not self._stop.is_set():
                        busy = self._step(connection, index)
                        failures, self._status.problem = 0, ""
                        if not busy:
                            self._stop.wait(self._config.pause_s)
            except (RequestFailed, psycopg.Error) as problem:
                self._say(problem)
                shortest, longest = _BACKOFF_S
                # Not all together, and not at once: who is overloaded is not helped by more.
                wait = min(shortest * 2**failures, longest) * random.uniform(0.5, 1)
                failures = min(failures + 1, 10)
                self._stop.wait(wait)

    def _prepare(self, connection: psycopg.Connection, index: Index) -> None:
        missed = self._strategy.prepare(connection)
        self._look(connection)
        if rebuild.begin(connection, index, self._config.index) or missed:
            compare.repair(connection, index, self._config.index)
        self._status.ready = True

    def _step(self, connection: psycopg.Connection, index: Index) -> bool:
        """Take, write, let go; whether there is more at once."""
        strategy, status = self._strategy, self._status
        with connection.transaction():
            names = source.followers(connection)
            taken = strategy.take(connection, self._config.batch)
            if taken.position is None:
                self._look(connection)
                return False
            outcome = index.write(names, taken.changes)
            for change, reason in outcome.rejected:
                source.reject(connection, change.id, change.version, reason)
            strategy.let_go(connection, taken)
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        assert row is not None
        status.applied += outcome.applied
        status.refused += outcome.refused
        status.rejected += len(outcome.rejected)
        status.position = taken.position
        if ages := [float(row[0]) - each.at for each in taken.changes if each.at is not None]:
            status.lag_ms = round(1000 * max(ages), 1)
        self._look(connection)
        return taken.more

    def _look(self, connection: psycopg.Connection) -> None:
        """See now and then how much of the log is kept for us."""
        if time.monotonic() - self._looked > _LOOK_S:
            self._status.keeps(self._strategy.kept(connection) or 0)
            self._looked = time.monotonic()

    def _say(self, problem: Exception) -> None:
        kind = problem.kind if isinstance(problem, RequestFailed) else type(problem).__name__
        text = f"{kind}: {' '.join(str(problem).split())}"
        if text != self._status.problem:
            print(text, file=sys.stderr, flush=True)
        self._status.problem = text
