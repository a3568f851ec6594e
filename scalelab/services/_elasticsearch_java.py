"""Finds a Java that Elasticsearch runs on: 17 or later, with all its modules."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from scalelab.errors import EnvironmentLacks

OLDEST = 17

HINT = (
    "install one (Debian, Ubuntu: apt install openjdk-17-jdk-headless),"
    " or set JAVA_HOME to any JDK, 17 or later"
)

# What the server asks for (its modules' own `requires`, and its command line), and the compiler
# for our plugin. A runtime put together by jlink usually lacks some.
_MODULES = frozenset(
    {
        "java.se",
        "jdk.attach",
        "jdk.compiler",
        "jdk.jdi",
        "jdk.jlink",
        "jdk.management",
        "jdk.management.agent",
        "jdk.net",
        "jdk.unsupported",
        "jdk.zipfs",
    }
)
_HOME = re.compile(r"^\s*java\.home = (.+)$", re.MULTILINE)
_MODULE = re.compile(r"^([a-z][\w.]*)@", re.MULTILINE)
_VERSION = re.compile(r'version "(?:1\.)?(\d+)[^"]*"|java\.version = (?:1\.)?(\d+)')
_ASKING_S = 30.0


@dataclass(frozen=True)
class Java:
    """A Java that was asked: where it is, how old, and which modules the server would miss.

    Parameters
    ----------
    home : its folder, which has ``bin/java``.
    version : its major version; 0 where it did not tell.
    lacks : names of missing modules.
    """

    home: str
    version: int
    lacks: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the server runs on it."""
        return self.version >= OLDEST and not self.lacks

    def __str__(self) -> str:
        if not self.version:
            return f"what is at {self.home} does not run"
        if self.version < OLDEST:
            return f"{self.home} is Java {self.version}"
        some = ", ".join(self.lacks[:2]) + (", ..." if len(self.lacks) > 2 else "")
        return f"{self.home} is no full JDK (it lacks {some})"


def find() -> Java:
    """The first of ``ES_JAVA_HOME``, ``JAVA_HOME`` and ``java`` on PATH that the server runs on.

    Each is asked once, and again when its file changes.

    Raises
    ------
    EnvironmentLacks : none of them is 17 or later and complete; says what was found instead.
    """
    found = []
    for where, command in _candidates():
        java = asked(command)
        if java.fits:
            return java
        found.append(f"{where}: {java}")
    what = "; ".join(found) if found else "there is none"
    raise EnvironmentLacks(f"Elasticsearch needs Java {OLDEST} or later: {what}", HINT)


def _candidates() -> Iterator[tuple[str, Path]]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if home := os.environ.get(name):
            yield name, Path(home) / "bin" / "java"
    if command := shutil.which("java"):
        yield "PATH", Path(command)


def asked(command: Path) -> Java:
    """What the Java at ``command`` says of itself, remembered as long as its file is the same."""
    try:
        file = command.resolve(strict=True)
        status = file.stat()
    except OSError:
        return Java(str(command.parent.parent), 0)
    key = f"{file} {status.st_mtime_ns} {status.st_size}"
    known = _remembered()
    with contextlib.suppress(LookupError, TypeError):
        return _judged(**known[key])
    said = _ask(file)
    if said["version"]:
        # Only to save time: where it cannot be kept it is asked again.
        with contextlib.suppress(OSError):
            _memory().parent.mkdir(parents=True, exist_ok=True)
            scratch = _memory().with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps({**known, key: said}, indent=1))
            scratch.replace(_memory())
    return _judged(**said)


def _judged(home: str, version: int, modules: Sequence[str]) -> Java:
    return Java(home, version, tuple(sorted(_MODULES.difference(modules))))


def _memory() -> Path:
    return platformdirs.user_cache_path("scalelab") / "java.json"


def _remembered() -> dict[str, Any]:
    try:
        known = json.loads(_memory().read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _ask(file: Path) -> dict[str, Any]:
    """What the Java says: its ``home``, its ``version`` (0 where it says none), its ``modules``."""
    said = _output(file, "-XshowSettings:properties", "--list-modules")
    home, modules = _HOME.search(said), _MODULE.findall(said)
    if not modules:  # older than modules are, or no Java at all
        said = _output(file, "-version")
    version = _VERSION.search(said)
    return {
        "home": home[1].strip() if home else str(file.parent.parent),
        "version": int(version[1] or version[2]) if version else 0,
        "modules": sorted(modules),
    }


def _output(file: Path, *arguments: str) -> str:
    # Whatever these say to a JVM, the server ignores them as well.
    unset = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"}
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    try:
        done = subprocess.run(
            [file, *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_ASKING_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
