"""A request as one would send it without scalelab: with curl, and with the Python client. Pure."""

from __future__ import annotations

import json
import shlex

_PYTHON = """\
import os
from elasticsearch import Elasticsearch

with Elasticsearch(os.environ["SEARCH_URL"]) as client:
    answer = client.perform_request(
        {method!r},
        {path!r},
        headers={{"accept": "application/json", "content-type": "application/json"}},{body}
    )
    print(answer)
"""


def address(node: str, cluster: str | None) -> str:
    """The shell's line that keeps the server's address and password, without showing either."""
    named = f" --name {shlex.quote(cluster)}" if cluster else ""
    return f"export SEARCH_URL=$(scalelab url {shlex.quote(node)}{named})"


def curl(method: str, path: str, body: str | None) -> str:
    """The request as a line for a shell; the address is in ``SEARCH_URL``."""
    # Quoted apart: the variable must be expanded, nothing in the path may.
    words = ["curl", "-sS"]
    if method == "HEAD":
        words.append("--head")
    elif method != "GET" or body is not None:
        words += ["-X", method]
    line = f'{" ".join(words)} "$SEARCH_URL"{shlex.quote(path)}'
    if body is None:
        return line
    return f"{line} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(body)}"


def python(method: str, path: str, body: str | None) -> str:
    """The request as a program that uses the ``elasticsearch`` package."""
    if body is None:
        return _PYTHON.format(method=method, path=path, body="")
    # Python's own literals: JSON's true and null are none, and its text may hold any quote.
    literal = repr(json.loads(body)) if len(body) < 100 else _literal(json.loads(body))
    return _PYTHON.format(method=method, path=path, body=f"\n        body={literal},")


def _literal(value: object) -> str:
    import pprint

    return pprint.pformat(value, width=80, sort_dicts=False).replace("\n", "\n        " + " " * 5)
