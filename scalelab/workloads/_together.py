"""Several requests of one session at once, each on a connection of its own."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any

from scalelab.errors import RequestFailed
from scalelab.protocols import Wait

Request = Generator[Wait, None, Any]


@types.coroutine
def together(*requests: Request) -> Generator[Wait, None, list[Any]]:
    """Send all of them, then wait until the last is answered.

    Returns
    -------
    The answers, in the order of the requests.

    Raises
    ------
    RequestFailed : of the first that failed; every other one has its answer by then.
    """
    answers: list[Any] = [None] * len(requests)
    failures: list[RequestFailed] = []
    waiting: list[tuple[int, Request, Wait]] = []

    def on(number: int, request: Request) -> Wait | None:
        try:
            return next(request)
        except StopIteration as end:
            answers[number] = end.value
        except RequestFailed as failure:
            failures.append(failure)
        return None

    for number, request in enumerate(requests):
        wait = on(number, request)
        if wait is not None:
            waiting.append((number, request, wait))
    # One after the other is as fast: the answers of the others arrive in the meantime.
    for number, request, first in waiting:
        wait = first
        while wait is not None:
            yield wait
            wait = on(number, request)
    if failures:
        raise failures[0]
    return answers
