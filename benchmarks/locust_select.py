"""A locustfile: pgbench's select by key, the way a user of Locust and psycopg writes it."""

import os
import random
import sys
import time
from typing import Any

from locust import User, constant, events, task  # first: it makes blocking calls cooperative

import psycopg  # isort: skip

_ACCOUNTS = int(os.environ["ACCOUNTS"])
_SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = %s"
_begun = 0.0


@events.spawning_complete.add_listener
def _begin(**_: Any) -> None:
    # Here Locust forgets what it counted so far (--reset-stats).
    global _begun
    _begun = time.process_time()


@events.quitting.add_listener
def _end(**_: Any) -> None:
    print(f"cpu_s={time.process_time() - _begun}", file=sys.stderr)


class Reader(User):
    wait_time = constant(0)

    def on_start(self) -> None:
        # Where, as whom and with what: PGHOST and its like.
        self.cursor = psycopg.connect(autocommit=True).cursor()

    @task
    def select(self) -> None:
        started = time.perf_counter()
        self.cursor.execute(_SELECT, (random.randint(1, _ACCOUNTS),), prepare=True)
        assert self.cursor.fetchone() is not None
        self.environment.events.request.fire(
            request_type="SQL",
            name="select",
            response_time=1000 * (time.perf_counter() - started),
            response_length=0,
            exception=None,
            context=None,
        )
