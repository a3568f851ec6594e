"""search --dsl: a request in Elasticsearch's own language, and its answer in full."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalelab.cli import config, output
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster

_LARGEST = 10 * 1024**2


def run(given: str, index: str | None, name: str | None, *, curl: bool, json: bool) -> None:
    """Send a body as it is written, and print what comes back.

    Parameters
    ----------
    given : the body itself, a file's name, or "-" for stdin.
    index : None: the only one that was loaded; none is needed for a point in time.

    Raises
    ------
    UsageError : it is no JSON, or the server does not understand it; with its place.
    """
    from scalelab.search import asking, finding, json_text, server
    from scalelab.search.collection import Collection
    from scalelab.search.elastic_engine import Elastic

    text, called = read(given)
    body = json_text.parse(text, called)
    cluster = config.clusters().find(name).seen()
    with asking.elasticsearch(cluster.places) as client:
        if "pit" in body and index is None:
            collection, path = Collection("a point in time", {}), "/_search"
        else:
            collection = finding.in_elasticsearch(client, index)
            path = Elastic(client, collection).path
        if curl:
            print_request("POST", path, text.strip(), cluster, name)
            return
        try:
            found = server.send(client, "POST", path, text)
        except server.Refused as error:
            raise _pointed(error, text, called) from None
    if json:
        content = {"index": collection.name, "took_ms": found.get("took"), "response": found}
        output.document("scalelab.search-dsl", 1, content)
        return
    from scalelab.cli import search_response

    output.stdout().print(search_response.response(found, collection, body))


def read(given: str) -> tuple[str, str]:
    """A body's text and what to call it in an error.

    Raises
    ------
    UsageError : there is no such file, or it cannot be one.
    """
    if given == "-":
        return _utf8(sys.stdin.buffer.read(), "the request on stdin"), "the request on stdin"
    if given.lstrip()[:1] in ("{", "["):
        return _utf8(os.fsencode(given), "the request"), "the request"
    path = Path(given)
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{given} is too large to be a request", "name another file")
        content = path.read_bytes()
    except (FileNotFoundError, ValueError):  # no path holds a NUL
        raise UsageError(
            f"there is no file {given!r}",
            """give a file, - for stdin, or the JSON itself: '{"query": {"match_all": {}}}'""",
        ) from None
    except OSError as error:
        raise UsageError(f"{given} cannot be read: {error.strerror}", "name a file") from None
    return _utf8(content, given), given


def print_request(
    method: str, path: str, body: str | None, cluster: Cluster, name: str | None
) -> None:
    """Print a request for curl and for Python; neither shows the password."""
    from scalelab import elastic
    from scalelab.search import request_text

    node = elastic.nodes(cluster.places)[0].node.name
    print("# the server's address, password included, is kept in a variable")
    print(request_text.address(node, name))
    print()
    print(request_text.curl(method, path, body))
    print()
    print("# the same in Python (pip install 'elasticsearch>=8.19,<9'): save it, run it there")
    print(request_text.python(method, path, body), end="")


def _utf8(content: bytes, called: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{called} is not UTF-8 in line {line}", "save it as UTF-8") from None


def _pointed(error: Any, text: str, called: str) -> UsageError:
    """What the server said, with the line that it spoke of."""
    from scalelab.search import json_text

    if error.place is None:
        return UsageError(f"the server refuses {called}: {error.reason}", "mend it")
    line, counted = error.place
    column = json_text.column(text, line, counted)
    return UsageError(
        f"the server refuses {called}: {error.reason} (line {line}, column {column})",
        "mend it there",
        json_text.point(text, line, column),
    )
