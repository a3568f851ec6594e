"""Runs scalelab and kills it (SIGKILL) at a step of its own, so that a crash can be had again.

    python tests/real/killed.py --list FILE up replication           writes down its steps, in order
    python tests/real/killed.py --step STEP up replication           is killed just before this one

A step is what scalelab does to the outside (it writes, renames or removes a file, starts or kills
a process, asks Docker for a change, sends SQL), or a call of its own parts that decide on that.
Its name, `os.rename in ledger.Ledger.write #2`, says the act, the function, and which one of those
it is. Steps are not just numbered from first to last: nodes boot side by side, so their steps come
in any order, but there is the same number of each. Of what is done again and again until a server
answers only the first few are steps, as how many there are says how fast the machine is.
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

_ACTS = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.kill",
    "os.killpg",
    "subprocess.Popen",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DECIDING = (
    "cluster.Clusters.",
    "booting.",
    "failover.",
    "injection.",
    "links.Relays.",
    "scene.",
    "faults.",
    "load.pool.Pool.",
    "load.spread.Spread.",
)
_CALLS, _SAME_ACTS = 4, 16
"""So many of each are steps; of acts also the 32nd, 64th and so on (of thousands of removals)."""


class Steps:
    """Counts the steps of this process, and ends it at one of them."""

    def __init__(self, last: str, listed: Path | None) -> None:
        import scalelab

        self._home = str(Path(scalelab.__file__).parent) + os.sep
        self._last = last
        self._list = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if listed else None
        self._names: dict[CodeType, str] = {}
        self._seen: Counter[str] = Counter()
        self._lock = threading.RLock()

    def act(self, event: str, arguments: tuple[object, ...]) -> None:
        """Python's own account of what is about to be done (an audit hook)."""
        if event == "open":
            done = "write" if _is_written(*arguments) else ""
        elif event == "http.client.send":
            request = bytes(arguments[1])[:4] if isinstance(arguments[1], bytes) else b"GET "
            done = "" if request == b"GET " else "request"
        else:
            done = event if event in _ACTS and "__pycache__" not in str(arguments[0]) else ""
        if done and (where := self._where(sys._getframe(1))):
            self._step(f"{done} in {where}", _SAME_ACTS, and_later=True)

    def call(self, frame: FrameType, event: str, argument: object) -> None:
        """Each call of a function (a profile hook)."""
        if event != "call" or not frame.f_back:
            return
        name = self._name(frame.f_code)
        if name.startswith(_DECIDING):
            self._step(name, _CALLS)
        elif frame.f_code.co_name == "execute" and not name:
            caller = self._name(frame.f_back.f_code)
            if caller.startswith("services."):
                self._step(f"SQL in {caller}", _CALLS)

    def _where(self, frame: FrameType | None) -> str:
        while frame is not None:
            if name := self._name(frame.f_code):
                return name
            frame = frame.f_back
        return ""

    def _name(self, code: CodeType) -> str:
        """What a function of scalelab's is called; nothing for any other."""
        name = self._names.get(code)
        if name is None:
            name = ""
            # Not the bodies of modules and classes: those are imported, and do nothing.
            is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
            if is_function and code.co_filename.startswith(self._home):
                path = code.co_filename.removeprefix(self._home).removesuffix(".py")
                name = f"{path.replace(os.sep, '.')}.{code.co_qualname}"
            self._names[code] = name
        return name

    def _step(self, name: str, most: int, *, and_later: bool = False) -> None:
        with self._lock:
            number = self._seen[name] = self._seen[name] + 1
            if number > most and not (and_later and number.bit_count() == 1):
                return
            step = f"{name} #{number}"
            if self._list is not None:
                os.write(self._list, f"{step}\n".encode())
            if step == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def _is_written(path: object, mode: object, flags: int) -> bool:
    passing = str(path).startswith(("/dev/", "/proc/")) or "__pycache__" in str(path)
    return bool(flags & _WRITES) and not passing


def main() -> None:
    """Run scalelab's command line up to a step."""
    parser = argparse.ArgumentParser(prog="python tests/real/killed.py")
    parser.add_argument("--step", default="", help="end just before this one")
    parser.add_argument("--list", type=Path, help="write down every step in this file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of scalelab, with its arguments")
    given = parser.parse_args()
    del sys.path[0]  # the tests' own modules are not for import
    from scalelab.cli.app import main as scalelab

    steps = Steps(given.step, given.list)
    sys.argv = ["scalelab", *given.command]
    sys.addaudithook(steps.act)
    threading.setprofile(steps.call)
    sys.setprofile(steps.call)
    scalelab()


if __name__ == "__main__":
    main()
