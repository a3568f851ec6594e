"""The learner's journal, ``<state>/journal.json``: predictions, and progress with exercises.

One versioned document for its owner alone, replaced in one step under a lock. It is a help, not a
ledger: a damaged one is moved aside, and nothing that hinders the journal stops a lab.

``{"schema": "scalelab.journal", "version": 1, "labs": {NAME: {"predictions": [ATTEMPT, ...],
"exercises": {NAME: {...}}}}}``; what else is under a lab's name is kept as it is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock

_SCHEMA, _VERSION = "scalelab.journal", 1
_LOCK_PATIENCE_S = 10


class Journal:
    """The journal of one state folder.

    Parameters
    ----------
    state : the state folder; made, for its owner alone, when something is first written.
    note : told in one line what hindered the journal.
    """

    def __init__(self, state: Path, note: Callable[[str], None]) -> None:
        self._state = state.absolute()
        self.path = self._state / "journal.json"
        self._note = note

    def lab(self, name: str) -> dict[str, Any]:
        """What is written of a lab; empty when nothing is, or when it cannot be read."""
        try:
            labs = self._read()["labs"]
        except _Unusable:
            return {}
        found = labs.get(name, {})
        return found if isinstance(found, dict) else {}

    def predicted(self, lab: str, at: float, answers: list[Mapping[str, Any]]) -> None:
        """Write down what is predicted, before the run.

        Parameters
        ----------
        at : seconds since the epoch, by which ``came_out`` finds it again.
        answers : one mapping a prediction, plain data.
        """
        attempt = {"at_unix_s": at, "answers": [dict(answer) for answer in answers]}

        def add(entry: dict[str, Any]) -> None:
            entry["predictions"] = [*_attempts(entry), attempt]

        self._change(lab, add)

    def came_out(
        self, lab: str, at: float, run: str | None, outcomes: list[Mapping[str, Any]]
    ) -> None:
        """Write beside what was predicted at that time how it came out.

        Parameters
        ----------
        run : the name of the kept run, None when it is not kept.
        outcomes : one mapping a prediction, in the order of the answers.
        """

        def add(entry: dict[str, Any]) -> None:
            for attempt in _attempts(entry):
                if attempt.get("at_unix_s") == at:
                    attempt["run"] = run
                    attempt["outcomes"] = [dict(outcome) for outcome in outcomes]

        self._change(lab, add)

    def exercise(self, lab: str, name: str) -> Mapping[str, Any]:
        """What is written of an exercise; empty when nothing is, or when it cannot be read."""
        found = self.lab(lab).get("exercises")
        kept = found.get(name) if isinstance(found, dict) else None
        return kept if isinstance(kept, dict) else {}

    def exercised(self, lab: str, name: str, **fields: Any) -> None:
        """Write fields of an exercise down beside what is written of it; None takes one away."""

        def add(entry: dict[str, Any]) -> None:
            found = entry.get("exercises")
            entry["exercises"] = exercises = found if isinstance(found, dict) else {}
            kept = {**self.exercise(lab, name), **fields}
            exercises[name] = {key: value for key, value in kept.items() if value is not None}

        self._change(lab, add)

    def _change(self, lab: str, change: Callable[[dict[str, Any]], None]) -> None:
        try:
            self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = filelock.FileLock(
                self._state / "journal.lock", timeout=_LOCK_PATIENCE_S, mode=0o600
            )
            with lock:
                document = self._readable()
                entry = document["labs"].setdefault(lab, {})
                if not isinstance(entry, dict):
                    document["labs"][lab] = entry = {}
                change(entry)
                self._write(document)
        except (OSError, _Unusable) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._note(f"not written into the journal: {reason}")

    def _readable(self) -> dict[str, Any]:
        """The document, or a fresh one once a damaged one is out of the way."""
        try:
            return self._read()
        except _Damaged:
            aside = self._state / "damaged" / f"journal-{time.strftime('%Y%m%dT%H%M%S')}.json"
            aside.parent.mkdir(mode=0o700, exist_ok=True)
            self.path.replace(aside)
            self._note(f"the journal was damaged; it is moved to {aside}")
            return _fresh()

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return _fresh()
        except (ValueError, RecursionError):
            raise _Damaged("it is damaged") from None
        except OSError as error:
            raise _Unusable(error.strerror) from None
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise _Damaged("it is no journal")
        if document.get("version") != _VERSION:
            raise _Unusable(f"{self.path} was written by another version of scalelab")
        if not isinstance(document.get("labs"), dict):
            raise _Damaged("it has no labs")
        return document

    def _write(self, document: dict[str, Any]) -> None:
        fresh = self.path.with_suffix(".new")
        with open(fresh, "w", opener=_private, encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


class _Unusable(Exception):
    """The journal cannot be used, and must be left as it is."""


class _Damaged(_Unusable):
    """The file is no journal any more."""


def _fresh() -> dict[str, Any]:
    return {"schema": _SCHEMA, "version": _VERSION, "labs": {}}


def _attempts(entry: dict[str, Any]) -> list[dict[str, Any]]:
    found = entry.get("predictions", [])
    listed = found if isinstance(found, list) else []
    return [attempt for attempt in listed if isinstance(attempt, dict)]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_TRUNC, 0o600)
