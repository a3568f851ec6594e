"""The learner's file in a process of its own, with limits of time and memory, called from here.

Whatever the file does (an exception, an endless loop, too much memory, an exit) becomes one
:class:`~scalelab.errors.AnswerFailed` with the line it happened at.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from scalelab.errors import AnswerFailed
from scalelab.model import Place

_CPU_S = 300
_MEMORY = 2 * 1024**3
_DUMP_S = 5.0
_PRINTED_LINES = 20


@dataclass(frozen=True)
class Query:
    """A function the learner's code is given: one query on one node."""

    place: Place
    sql: str


class Sandbox:
    """A process that runs the functions of the learner's file. A context manager.

    Arguments are plain data (what JSON has), a :class:`~scalelab.model.Place` (the function gets
    an open session with it: psycopg's connection in autocommit mode, or redis-py's client), or a
    :class:`Query` (it gets a function of the query's parameters that returns its rows).

    Parameters
    ----------
    path : the learner's file.
    memory : bytes of address space it may have.
    """

    def __init__(self, path: Path, *, memory: int = _MEMORY) -> None:
        self.path = path.absolute()
        self._memory = memory
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[str] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def call(self, function: str, *arguments: Any, timeout_s: float = 10) -> Any:
        """What the function returns; the process is started when it does not run.

        Parameters
        ----------
        timeout_s : how long it may take.

        Raises
        ------
        AnswerFailed : it did not return plain data in time.
        """
        return self._ask({"call": function, "arguments": _plain(arguments)}, timeout_s)

    def call_many(
        self,
        function: str,
        arguments: Iterable[Sequence[Any]],
        *,
        threads: int = 1,
        timeout_s: float = 60,
    ) -> list[Any]:
        """What the function returns for each list of arguments, in their order.

        Parameters
        ----------
        threads : how many calls are under way at once; they begin together.
        timeout_s : how long all of them may take.

        Raises
        ------
        AnswerFailed : one did not return plain data, or not in time.
        """
        many = [_plain(each) for each in arguments]
        found = self._ask({"call": function, "many": many, "threads": threads}, timeout_s)
        assert isinstance(found, list)
        return found

    def begin(self, function: str, *arguments: Any) -> None:
        """Have the function called and return at once; to ``kill`` it in the middle."""
        self._send({"call": function, "arguments": _plain(arguments)})

    def functions(self) -> list[str]:
        """The names of the file's functions."""
        found = self._ask({"call": None}, 10)
        assert isinstance(found, list)
        return found

    def kill(self) -> None:
        """End the process at once, whatever it does; the next call starts another one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._said is not None:
            self._said.close()
            self._said = None

    def printed(self) -> list[str]:
        """The last lines that the file printed."""
        if self._said is None:
            return []
        self._said.seek(0)
        return self._said.read().splitlines()[-_PRINTED_LINES:]

    def _start(self) -> subprocess.Popen[str]:
        if not self.path.is_file():
            raise AnswerFailed(f"there is no file {self.path}", "start it again, or put it back")
        self._said = tempfile.TemporaryFile(  # noqa: SIM115 (closed by kill)
            "w+", encoding="utf-8", errors="replace"
        )
        # Read here while it is written there, on one offset: what is written goes to the end.
        fcntl.fcntl(self._said, fcntl.F_SETFL, os.O_APPEND)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scalelab.grading.host", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=self.path.parent,
            preexec_fn=self._limit,
            start_new_session=True,  # a Ctrl-C is for us, who then end it
        )
        return self._process

    def _limit(self) -> None:
        for what, most in (
            (resource.RLIMIT_CPU, _CPU_S),
            (resource.RLIMIT_AS, self._memory),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(what, (most, most))

    def _send(self, request: Mapping[str, Any]) -> subprocess.Popen[str]:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(process) from None
        return process

    def _ask(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        process = self._send(request)
        assert process.stdout is not None
        # Answers are whole lines, each written at once: when something can be read, all can.
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            raise self._late(process, timeout_s)
        line = process.stdout.readline()
        if not line:
            raise self._ended(process)
        answer = json.loads(line)
        if "error" in answer:
            raise self._failed(answer["error"], str(request["call"]))
        return answer["value"]

    def _failed(self, error: Mapping[str, Any], function: str) -> AnswerFailed:
        where = f"{self.path.name}:{error['line']}" if error["line"] else self.path.name
        if error["kind"] == "missing":
            return AnswerFailed(
                f"{self.path.name} has no function {function}()",
                "give it the name that the task asks for",
                self.printed(),
            )
        if error["kind"] == "TypeError" and "JSON serializable" in error["message"]:
            return AnswerFailed(
                f"{function}() returned something that is no plain data: {error['message']}",
                "return numbers, texts, lists or dictionaries",
                self.printed(),
            )
        if error["kind"] == "TypeError" and not error["line"]:
            hint = f"give {function}() the parameters that the task gives it"
        else:
            hint = "mend that line"
        return AnswerFailed(f"{where}: {error['kind']}: {error['message']}", hint, self.printed())

    def _late(self, process: subprocess.Popen[str], timeout_s: float) -> AnswerFailed:
        before = len(self._text())
        process.send_signal(signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
        lines = re.findall(
            rf'File "{re.escape(str(self.path))}", line (\d+)', self._text()[before:]
        )
        at = f"; it was at line {lines[0]}" if lines else ""
        self.kill()
        return AnswerFailed(
            f"{self.path.name} did not answer within {timeout_s:g} s{at}",
            "look for an endless loop, or for a wait that never ends",
        )

    def _ended(self, process: subprocess.Popen[str]) -> AnswerFailed:
        code, printed = process.wait(), self.printed()
        self.kill()
        if code == -signal.SIGXCPU:
            how = f"used more than {_CPU_S} s of CPU time"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended itself with exit code {code}"
        return AnswerFailed(f"{self.path.name} {how}", "it must return instead", printed)

    def _text(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        return self._said.read()


def _plain(value: Any) -> Any:
    """Arguments as JSON has them, servers as descriptions of where they are."""
    if isinstance(value, Place):
        return {"$node": _node(value)}
    if isinstance(value, Query):
        return {"$query": {"node": _node(value.place), "sql": value.sql}}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _node(place: Place) -> dict[str, Any]:
    return {
        "service": place.node.service,
        "host": place.client.host,
        "port": place.client.port,
        "password": place.password,
    }
