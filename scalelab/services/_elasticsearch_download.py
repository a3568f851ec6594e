"""Fetches the server that is published on Maven, so that an interrupted download goes on.

jgo knows the repositories and where a file is in them. What it does not do is done here: resume,
tell how far it is, and refuse what does not have the published checksum.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from scalelab.errors import EnvironmentLacks

if TYPE_CHECKING:
    import requests
    from jgo.maven import Artifact

VERSION = "8.19.21"
"""The newest server on Maven of the line that the client library speaks to."""

Arrived = Callable[[int, int], None]
"""Told how many bytes are here, and how many there will be in all."""

_CHUNK = 1 << 18
_USUAL = 107_000_000  # its size, for a server that does not tell
_RETRIES = 5


def artifact() -> Artifact:
    """The server's archive, by jgo, with the repositories that the user's settings name.

    Raises
    ------
    EnvironmentLacks : jgo is not installed.
    """
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ModuleNotFoundError as error:
        raise EnvironmentLacks(
            "what fetches Elasticsearch is not installed",
            "install it with: pip install 'scalelab[local]'",
        ) from error

    logging.getLogger("jgo").setLevel(logging.ERROR)
    settings = GlobalSettings.load()
    central = settings.repositories.get("central", MAVEN_CENTRAL_URL)
    context = MavenContext(
        repo_cache=settings.repo_cache,
        # The user's own come first: a mirror is named because the usual one is out of reach. One
        # that is called "central" takes its place.
        remote_repos=dict(settings.repositories) | {"central": central},
        timeout=30,
    )
    project = context.project("org.elasticsearch.distribution.integ-test-zip", "elasticsearch")
    return project.at_version(VERSION).artifact(classifier="", packaging="zip")


def already_here(wanted: Artifact) -> Path | None:
    """The archive in the user's own Maven repository, complete or not; None without one."""
    path = wanted.cached_path
    return path if path is not None and path.is_file() else None


def download(wanted: Artifact, part: Path, arrived: Arrived) -> None:
    """Fetch the archive into ``part``, after what is there of it already.

    Raises
    ------
    EnvironmentLacks : it cannot be reached, or ended in the middle (``part`` keeps what came), or
        does not have the checksum it is published with (``part`` is gone).
    """
    import requests

    prefix = wanted.component.path_prefix.as_posix()
    reasons = []
    for repository in wanted.context.remote_repos.values():
        url = f"{repository.rstrip('/')}/{prefix}/{wanted.filename}"
        try:
            if _from(url, part, arrived, wanted.context.timeout):
                return
        except requests.RequestException as error:
            reasons.append(_short(error))
        else:
            reasons.append("it is not there")
    here = part.stat().st_size if part.exists() else 0
    raise EnvironmentLacks(
        f"Elasticsearch {VERSION} could not be fetched: {'; '.join(dict.fromkeys(reasons))}",
        ("again goes on where this ended; " if here else "is there a network? ")
        + "without one, SCALELAB_ELASTICSEARCH_HOME names a distribution you have",
    )


def _from(url: str, part: Path, arrived: Arrived, timeout: float) -> bool:
    """Fetch from one repository; False when the file is not there."""
    import requests

    tries = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            found = _stream(url, part, arrived, timeout)
            break
        except requests.RequestException:
            # A connection that breaks is taken up again as long as something came over it.
            after = part.stat().st_size if part.exists() else 0
            tries = 0 if after > before else tries + 1
            if tries >= _RETRIES or after == 0:
                raise
    if found:
        _verify(url, part, timeout)
    return found


def _stream(url: str, part: Path, arrived: Arrived, timeout: float) -> bool:
    import requests
    from jgo.util import http

    here = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
    with http.get(url, stream=True, timeout=timeout, headers=headers) as answer:
        if answer.status_code == 404:
            return False
        if answer.status_code == 416:  # nothing after what is here: the checksum will tell
            return True
        answer.raise_for_status()
        if answer.status_code != 206:  # all of it, from the beginning
            here = 0
        total = here + int(answer.headers.get("Content-Length", _USUAL))
        with part.open("ab" if here else "wb") as file:
            arrived(here, total)
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                here += len(chunk)
                arrived(here, total)
        if here < total and "Content-Length" in answer.headers:
            raise requests.ConnectionError("the connection ended too early")
    return True


def _verify(url: str, part: Path, timeout: float) -> None:
    from jgo.util import http

    for kind in ("sha512", "sha1"):
        answer = http.get(f"{url}.{kind}", timeout=timeout)
        if answer.status_code != 200:
            continue
        # Some repositories write the file's name after it.
        published = answer.text.lower().partition(" ")[0].strip()
        with part.open("rb") as file:
            if hashlib.file_digest(file, kind).hexdigest() == published:
                return
        part.unlink()
        raise EnvironmentLacks(
            f"what came as Elasticsearch {VERSION} does not have the checksum it is published with",
            "try again; a proxy or a mirror on the way may have changed it",
        )
    part.unlink()
    raise EnvironmentLacks(
        f"Elasticsearch {VERSION} is published there without a checksum",
        "name another repository in jgo's settings, or set SCALELAB_ELASTICSEARCH_HOME",
    )


def _short(error: requests.RequestException) -> str:
    """An error in a few words: requests repeats addresses and the names of objects."""
    import requests

    if error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "nothing answered in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or ended too early"
    return str(error)
