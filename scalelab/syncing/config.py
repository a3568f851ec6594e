"""What the syncer is told: plain data in a JSON file, and passwords in a second one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelab.errors import UsageError
from scalelab.model import Place

_OPEN_TO_OTHERS = 0o077


@dataclass(frozen=True)
class Server:
    """Where a server is, and who asks."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


def server(place: Place) -> Server:
    """The server at a place, asked by the user ``lab``."""
    return Server(place.client.host, place.client.port, "lab", place.password)


@dataclass(frozen=True)
class Config:
    """One syncer.

    Parameters
    ----------
    strategy : a file name of ``strategies``; ``dual`` where the application writes both itself.
    index : the alias that is searched; the index behind it has a longer name.
    listen : host and port it tells its state at.
    batch : changes taken at once.
    pause_s : how long it rests once there was nothing more to take.
    """

    strategy: str
    postgres: Server
    elasticsearch: Server
    index: str = "items"
    listen: tuple[str, int] = ("127.0.0.1", 0)
    batch: int = 500
    pause_s: float = 0.02


def read(path: Path) -> Config:
    """The configuration in a file; ``passwords`` there names a second one, of mode 0600.

    Raises
    ------
    UsageError : a file cannot be read, says something else, or lets others read passwords.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        secrets = path.parent / said.pop("passwords")
        if secrets.stat().st_mode & _OPEN_TO_OTHERS:
            raise UsageError(f"others may read {secrets}", f"chmod 600 {secrets}")
        passwords = json.loads(secrets.read_text(encoding="utf-8"))
        return _config(said, passwords)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}", "name it") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is no configuration of a syncer: {error}", "see scalelab/syncing/config.py"
        ) from None


def _config(said: Mapping[str, Any], passwords: Mapping[str, str]) -> Config:
    servers = {
        name: Server(**said[name], password=passwords[name])
        for name in ("postgres", "elasticsearch")
    }
    listen = (str(said["listen"][0]), int(said["listen"][1]))
    return Config(**{**said, **servers, "listen": listen})
