"""Requests to Elasticsearch, and what it refuses in two lines: the one place its errors enter."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from scalelab.errors import EnvironmentLacks, ScalelabError, UsageError

if TYPE_CHECKING:
    from elastic_transport import TransportError
    from elasticsearch import ApiError, Elasticsearch

_BACK_OFF_S = (0.1, 0.3, 1.0, 3.0)
_BUSY = 429
_PLACE = re.compile(r"^\[(\d+):(\d+)\] ?")
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^)\"']+)")
_ALL_SHARDS = "search_phase_execution_exception"

HEADERS = {"accept": "application/json", "content-type": "application/json"}


class Refused(UsageError):
    """The server does not accept a request.

    Parameters
    ----------
    reason : in the server's words.
    place : line and column of the body, from 1, where the server says it.
    status : of HTTP.
    """

    def __init__(self, reason: str, place: tuple[int, int] | None, status: int) -> None:
        super().__init__(f"the server refuses it: {reason}", "mend the request")
        self.reason = reason
        self.place = place
        self.status = status


def send(
    client: Elasticsearch,
    method: str,
    path: str,
    body: Mapping[str, Any] | str | None = None,
    *,
    headers: Mapping[str, str] = HEADERS,
    wait: Callable[[float], None] = time.sleep,
) -> Any:
    """Send one request and return what is answered; again, a few times, where the server is busy.

    Parameters
    ----------
    path : with its parameters, from the first "/" on.
    body : sent letter by letter where it is text, so that the server's places are the text's.
    wait : called with seconds between attempts.

    Raises
    ------
    Refused : the request makes no sense to the server, or what it names is not there.
    ScalelabError : the server is too busy still, forbids it, or has failed.
    EnvironmentLacks : no node answers.
    """
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    # 429 is waited for here, and what is red now is red in a moment.
    asked = client.options(retry_on_status=())
    content = json.dumps(body) if isinstance(body, Mapping) else body
    for pause in (*_BACK_OFF_S, None):
        try:
            response = asked.perform_request(method, path, headers=dict(headers), body=content)
            return response.body
        except ApiError as error:
            if error.meta.status != _BUSY or pause is None:
                raise _translated(error) from None
            wait(pause)
        except TransportError as error:
            raise silent(error, "see: scalelab status; or ask --engine postgres") from None
    raise AssertionError  # the last attempt returns or raises


def reason(body: Any) -> tuple[str, tuple[int, int] | None]:
    """What is wrong in the server's words, and at which line and column of the request."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping):
        cause = _root(error)
        said = str(cause.get("reason") or cause.get("type") or error)
        match = _PLACE.match(said)
        if match:
            return said[match.end() :], (int(match[1]), int(match[2]))
        if "line" in cause and "col" in cause:
            return said, (int(cause["line"]), int(cause["col"]))
        return said, None
    return str(error or body or "no reason given"), None


def silent(error: TransportError, hint: str) -> EnvironmentLacks:
    """What to say where no node answers: why, without what the client has put around it."""
    from elastic_transport import ConnectionTimeout

    refused = _ERRNO.search(f"{error} {error.__cause__}")
    if refused:
        why = refused[1].lower()
    elif isinstance(error, ConnectionTimeout):
        why = "it takes too long"
    else:
        why = str(error).partition("\n")[0]
    return EnvironmentLacks(f"Elasticsearch does not answer: {why}", hint)


def _root(error: Mapping[str, Any]) -> Mapping[str, Any]:
    roots = error.get("root_cause") or [error]
    root: Mapping[str, Any] = roots[0]
    # Deeper causes say what the outer ones only say failed.
    while isinstance(root.get("caused_by"), Mapping) and root["caused_by"].get("reason"):
        root = root["caused_by"]
    return root


def _translated(error: ApiError) -> ScalelabError:
    status = int(error.meta.status)
    said, place = reason(error.body)
    if status == _BUSY:
        return ScalelabError(
            f"the server is too busy (429), also after {len(_BACK_OFF_S)} more attempts: {said}",
            "nothing was done: try again later, or ask for less at once",
        )
    if status in (401, 403):
        return ScalelabError(f"the server forbids it ({status}): {said}", "scalelab url")
    if status >= 500:
        if _kind(error.body) == _ALL_SHARDS or status == 503:
            return ScalelabError(
                f"no copy of the index answers ({status}): {said}",
                "see what is red: scalelab search rest GET _cat/shards?v",
            )
        return ScalelabError(f"the server failed ({status}): {said}", "scalelab logs")
    return Refused(said, place, status)


def _kind(body: Any) -> str | None:
    error = body.get("error") if isinstance(body, Mapping) else None
    return error.get("type") if isinstance(error, Mapping) else None
