"""The course: modules and topics as ``labs/course.toml`` has them, then the user's own labs."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from scalelab import catalog
from scalelab.errors import UsageError
from scalelab.model import Lab

READY, PLANNED, BROKEN = "ready", "planned", "broken"
OWN = "Your own labs"


@dataclass(frozen=True)
class Topic:
    """One lab, or one that is still to come.

    Parameters
    ----------
    state : ready, planned (nothing to run yet) or broken.
    folder : where it is, None when it is planned.
    lab : None unless it is ready.
    problem : why it is broken, with file and line.
    """

    name: str
    title: str
    state: str
    folder: Path | None = None
    lab: Lab | None = None
    problem: UsageError | None = None


@dataclass(frozen=True)
class Module:
    """Some topics under a title."""

    title: str
    topics: tuple[Topic, ...]


def modules() -> tuple[Module, ...]:
    """The course in the order it is taught; the user's own labs, if there are any, at the end."""
    course = tomllib.loads((catalog.course_folder() / "course.toml").read_text(encoding="utf-8"))
    titles, folders = course["topics"], catalog.lab_folders()
    taught = tuple(
        Module(
            module["title"],
            tuple(_topic(name, folders.get(name), titles[name]) for name in module["topics"]),
        )
        for module in course["module"]
    )
    own = tuple(_topic(name, at) for name, at in sorted(folders.items()) if name not in titles)
    return (*taught, Module(OWN, own)) if own else taught


def next_after(name: str) -> Topic | None:
    """The next lab of the course that can be run, None after the last and for a user's own."""
    taught = [topic for module in modules() if module.title != OWN for topic in module.topics]
    places = [topic.name for topic in taught]
    if name not in places:
        return None
    rest = taught[places.index(name) + 1 :]
    return next((topic for topic in rest if topic.state == READY), None)


def _topic(name: str, folder: Path | None, title: str | None = None) -> Topic:
    if folder is None:
        return Topic(name, title or name, PLANNED)
    try:
        lab = catalog.lab(name)
    except UsageError as error:
        return Topic(name, title or name, BROKEN, folder, problem=error)
    return Topic(name, title or lab.title, READY, folder, lab)
