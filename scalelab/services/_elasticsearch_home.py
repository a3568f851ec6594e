"""Where Elasticsearch is on this machine, with the Java it runs on, or how it gets there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from scalelab.errors import EnvironmentLacks
from scalelab.protocols import Progress
from scalelab.services import _elasticsearch_download as maven
from scalelab.services import _elasticsearch_java, _elasticsearch_plugin

VARIABLE = "SCALELAB_ELASTICSEARCH_HOME"

_WANTS = "name the folder that has bin/elasticsearch and lib, or unset it to have one fetched"
_MAJORS = (8, 9)  # what the client library speaks to


@dataclass(frozen=True)
class Home:
    """An Elasticsearch to run.

    Parameters
    ----------
    folder : the distribution, which has ``bin/elasticsearch``.
    java : the home of the Java to run it on.
    version : its version, such as "8.19.21".
    reduced : whether it lacks most optional modules (no painless, no reindex, few aggregations).
    """

    folder: Path
    java: Path
    version: str
    reduced: bool

    @property
    def analyzes(self) -> bool:
        """Whether it has ``english`` and the other analyzers of a full server."""
        ours = _elasticsearch_plugin.installed(self.folder, self.version)
        return ours or not self.reduced


def find() -> Home:
    """The Elasticsearch to run here; fetches nothing.

    A folder that ``SCALELAB_ELASTICSEARCH_HOME`` names wins, and nothing is ever written there.
    Otherwise it is the one that ``fetch`` has put into the user's cache.

    Raises
    ------
    EnvironmentLacks : there is none, or no Java for it.
    """
    if named := os.environ.get(VARIABLE):
        return _named(Path(named).expanduser())
    folder = cached()
    if not folder.is_dir():
        raise EnvironmentLacks(
            f"Elasticsearch is not here yet, and {VARIABLE} names none",
            "fetch it once (about 100 MB): scalelab up search",
        )
    return _ours(folder)


def fetch(progress: Progress) -> Home:
    """The Elasticsearch to run here, fetched into the user's cache where there is none.

    What was interrupted goes on where it ended, and only what is complete counts. Once it is here
    no network is used.

    Raises
    ------
    EnvironmentLacks : no Java (looked for before anything is fetched), no network, no disk.
    """
    if os.environ.get(VARIABLE):
        return find()
    _elasticsearch_java.find()
    folder = cached()
    if not folder.is_dir():
        with _writing(folder.parent, progress):
            if not folder.is_dir():  # another may have been faster
                _fetch(folder, progress)
    return _ours(folder)


def cached() -> Path:
    """Where the fetched server is, or would be."""
    return platformdirs.user_cache_path("scalelab") / "elasticsearch" / maven.VERSION


@contextlib.contextmanager
def _writing(folder: Path, progress: Progress = lambda what, done, total: None) -> Iterator[None]:
    """The cache, for one scalelab process of this user at a time; a process that waits says so."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / "lock", mode=0o600)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            what = "waiting for another scalelab that fetches Elasticsearch"
            progress(what, 0, 1)
            lock.acquire()
            progress(what, 1, 1)
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise EnvironmentLacks(
            f"Elasticsearch could not be put into {folder}: {error.strerror or error}",
            "it takes 250 MB there; XDG_CACHE_HOME names another place",
        ) from error


def _named(folder: Path) -> Home:
    if folder.resolve() == cached().resolve() and folder.is_dir():
        return _ours(folder)
    version = _version(folder)
    if version is None or not os.access(folder / "bin" / "elasticsearch", os.X_OK):
        raise EnvironmentLacks(f"{VARIABLE}={folder} is no Elasticsearch distribution", _WANTS)
    if int(version.split(".")[0]) not in _MAJORS:
        raise EnvironmentLacks(
            f"{VARIABLE}={folder} is Elasticsearch {version}, which is not supported",
            f"name one of version {' or '.join(map(str, _MAJORS))}, or unset it",
        )
    return Home(folder.resolve(), _java(folder), version, _reduced(folder))


def _ours(folder: Path) -> Home:
    java = _java(folder)
    if not _elasticsearch_plugin.installed(folder, maven.VERSION):
        # Another version of scalelab has unpacked this.
        with _writing(folder.parent):
            if not _elasticsearch_plugin.installed(folder, maven.VERSION):
                _elasticsearch_plugin.install(folder, maven.VERSION, java)
    return Home(folder, java, maven.VERSION, reduced=True)


def _java(folder: Path) -> Path:
    bundled = folder / "jdk"  # a full distribution brings its own
    if (bundled / "bin" / "java").is_file():
        return bundled.resolve()
    return Path(_elasticsearch_java.find().home)


def _version(folder: Path) -> str | None:
    for jar in (folder / "lib").glob("elasticsearch-[0-9]*.jar"):
        return jar.stem.removeprefix("elasticsearch-")
    return None


def _reduced(folder: Path) -> bool:
    return not (folder / "modules" / "analysis-common").is_dir()


def _fetch(folder: Path, progress: Progress) -> None:
    for stale in folder.parent.glob(".unpacking-*"):  # of one that was killed
        shutil.rmtree(stale, ignore_errors=True)
    wanted = maven.artifact()
    if (here := maven.already_here(wanted)) and _unpacked(here, folder, progress):
        return
    part = folder.parent / f"{wanted.filename}.part"
    what = f"Elasticsearch {maven.VERSION}"
    maven.download(wanted, part, lambda done, total: progress(what, done, total))
    if not _unpacked(part, folder, progress):
        part.unlink()
        raise EnvironmentLacks(f"what came as {what} is no archive of it", "try again")
    part.unlink()


def _unpacked(archive: Path, folder: Path, progress: Progress) -> bool:
    """Unpack the server, complete with its plugin or not at all; False where it is damaged."""
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent) as scratch:
        try:
            _extract(archive, Path(scratch), progress)
        except (zipfile.BadZipFile, zlib.error, EOFError):
            return False
        made = Path(scratch) / f"elasticsearch-{maven.VERSION}"
        if _version(made) != maven.VERSION:
            return False
        _elasticsearch_plugin.install(made, maven.VERSION, Path(_elasticsearch_java.find().home))
        made.rename(folder)
    return True


def _extract(archive: Path, target: Path, progress: Progress) -> None:
    """Unpack, each file checked against the archive's own checksum of it."""
    what = f"unpacking Elasticsearch {maven.VERSION}"
    with zipfile.ZipFile(archive) as source:
        total, done = sum(entry.file_size for entry in source.infolist()), 0
        for entry in source.infolist():
            path = Path(source.extract(entry, target))
            # The user's umask does not count: nodes of root run as another user. What runs, runs.
            runs = entry.is_dir() or (entry.external_attr >> 16) & 0o100
            path.chmod(0o755 if runs else 0o644)
            if entry.file_size:  # all of it is here once only
                done += entry.file_size
                progress(what, done, total)
