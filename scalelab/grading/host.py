"""The learner's side: runs the functions of one file, told what to call line by line.

Started by :mod:`scalelab.grading.sandbox` as ``python -m scalelab.grading.host FILE``. Requests
come on standard input, answers leave on what was standard output; what the learner's file prints
goes to standard error. Every line is one JSON document.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

_POOL = 8
"""Connections that the threads of one query share."""
_CACHE_POOL = 64
_STACK = 512 * 1024


def main() -> None:
    """Load the file, then answer requests until the other side is gone."""
    path = Path(sys.argv[1])
    # Where it stands when it does not come back is what the learner needs to know.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    requests, answers = _take_pipes()
    threading.stack_size(_STACK)
    arrived: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, arrived), daemon=True).start()
    names: dict[str, Any] = {}
    while True:
        request = arrived.get()
        try:
            if not names:
                names = runpy.run_path(str(path), run_name=path.stem)
            answer = {"value": _answer(names, request)}
            text = json.dumps(answer)
        except BaseException as error:
            text = json.dumps({"error": _described(error, path)})
        answers.write(text + "\n")
        answers.flush()


def _take_pipes() -> tuple[IO[str], IO[str]]:
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, answers


def _listen(requests: IO[str], arrived: queue.SimpleQueue[dict[str, Any]]) -> None:
    # A thread of its own, so that even an endless loop ends with the process that asked for it.
    for line in requests:
        arrived.put(json.loads(line))
    os._exit(0)


def _answer(names: dict[str, Any], request: dict[str, Any]) -> Any:
    wanted = request.get("call")
    if wanted is None:
        return sorted(name for name, value in names.items() if callable(value))
    if not callable(function := names.get(wanted)):
        raise _Missing(wanted)
    if "many" not in request:
        return function(*map(_given, request["arguments"]))
    arguments = [list(map(_given, each)) for each in request["many"]]
    if (threads := request["threads"]) == 1:
        return [function(*each) for each in arguments]
    # All begin together: that is the point of calling it so often at once.
    begin = threading.Barrier(min(threads, len(arguments)))

    def one(each: list[Any]) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):
            begin.wait(timeout=30)
        return function(*each)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, arguments))


class _Missing(Exception):
    """The file has no such function."""


def _described(error: BaseException, path: Path) -> dict[str, Any]:
    line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = error.lineno
    told = error.msg if isinstance(error, SyntaxError) else str(error)
    said = told.strip().split("\n")[0]
    kind = "missing" if isinstance(error, _Missing) else type(error).__name__
    return {"kind": kind, "message": said, "line": line}


# --- arguments that stand for servers --------------------------------------------------------


def _given(value: Any) -> Any:
    """An argument as the learner's function gets it."""
    if isinstance(value, list):
        return [_given(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$node" in value:
        return _session(value["$node"])
    if "$query" in value:
        return _query(value["$query"])
    return {key: _given(each) for key, each in value.items()}


_sessions: dict[str, Any] = {}


def _session(node: dict[str, Any]) -> Any:
    """An open session with a server, one a node for all calls."""
    key = json.dumps(node, sort_keys=True)
    session = _sessions.get(key)
    if session is None or getattr(session, "closed", False):
        session = _sessions[key] = _connect(node)
    return session


def _connect(node: dict[str, Any]) -> Any:
    if node["service"] == "redis":
        import redis

        # Hundreds of threads wait for a connection; the usual pool would refuse them.
        pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
            max_connections=_CACHE_POOL,
            timeout=60,
            host=node["host"],
            port=node["port"],
            password=node["password"],
            decode_responses=True,
        )
        return redis.Redis(connection_pool=pool)
    import psycopg

    return psycopg.connect(
        host=node["host"],
        port=node["port"],
        user="lab",
        password=node["password"],
        dbname="lab",
        connect_timeout=10,
        autocommit=True,
    )


_queries: dict[str, Callable[..., Any]] = {}


def _query(asked: dict[str, Any]) -> Callable[..., Any]:
    """A function that runs one query with the parameters it is called with: its rows as lists."""
    key = json.dumps(asked, sort_keys=True)
    if key not in _queries:
        idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(_POOL):
            idle.put(None)

        @contextlib.contextmanager
        def session() -> Iterator[Any]:
            connection = idle.get()
            try:
                if connection is None or connection.closed:
                    connection = _connect(asked["node"])
                yield connection
            finally:
                idle.put(connection)

        def run(*parameters: Any) -> list[list[Any]]:
            with session() as connection:
                cursor = connection.execute(asked["sql"], parameters)
                return [list(row) for row in cursor] if cursor.description else []

        _queries[key] = run
    return _queries[key]


if __name__ == "__main__":
    main()
