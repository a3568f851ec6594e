"""search rest: the REST API by hand. search analyze: what an analyzer makes of a text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output, search_options
from scalelab.errors import CheckFailed, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.model import Cluster

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")

_LINES = ("_bulk", "_msearch")


def complete_method(incomplete: str) -> list[str]:
    """Methods that begin like this."""
    return [name for name in METHODS if name.startswith(incomplete.upper())]


def rest(
    method: Annotated[
        str, typer.Argument(help="GET, POST, PUT, DELETE or HEAD.", autocompletion=complete_method)
    ],
    path: Annotated[str, typer.Argument(help="Such as _cat/indices or posts/_doc/1.")],
    body: Annotated[
        str | None, typer.Option("--body", "-b", metavar="FILE|-|JSON", help="What to send.")
    ] = None,
    curl: Annotated[
        bool, typer.Option("--curl", help="Print the request for curl and Python; send nothing.")
    ] = False,
    name: options.Name = None,
) -> None:
    """Send one request to Elasticsearch and print what it answers, refused or not.

    Ends with 1 where the server refuses (a status of 400 or more).
    """
    cluster = config.clusters().find(name).seen()
    text = None
    if body is not None:
        from scalelab.cli import search_dsl

        text = search_dsl.read(body)[0]
    send(cluster, method, path, text, name=name if curl else None, curl=curl)


def send(
    cluster: Cluster,
    method: str,
    path: str,
    body: str | None,
    *,
    curl: bool = False,
    name: str | None = None,
) -> None:
    """Send one request and print its answer: JSON indented, text as it is.

    Raises
    ------
    UsageError : no such method, or a body that is no JSON.
    CheckFailed : the server refuses it; its answer has been printed.
    """
    from scalelab.search import asking, json_text

    method = method.upper()
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    path = _path(path)
    lines = path.partition("?")[0].endswith(_LINES)
    if body is not None and not lines:
        json_text.parse(body, "the body")
    if lines and body is not None and not body.endswith("\n"):
        body += "\n"
    if curl:
        from scalelab.cli import search_dsl

        if lines:
            raise UsageError("--curl is not for lines of JSON", "leave it out")
        search_dsl.print_request(method, path, body, cluster, name)
        return
    with asking.elasticsearch(cluster.places) as client:
        status, answer = _answer(client, method, path, body, lines)
    if method == "HEAD":
        print(f"{status} {'it is there' if status < 400 else 'it is not there'}")
    else:
        _print(answer)
    if status >= 400 and method != "HEAD":
        from scalelab.search import server

        said, place = server.reason(answer)
        hint = "mend the request"
        if status == 404 and isinstance(answer, dict) and "error" not in answer:
            said, hint = "there is no such document", ""
        raise CheckFailed(f"the server answered {status}: {said}", hint, _pointed(body, place))
    if status >= 400:
        raise typer.Exit(1)


def _pointed(body: str | None, place: tuple[int, int] | None) -> tuple[str, ...]:
    from scalelab.search import json_text

    if body is None or place is None:
        return ()
    return json_text.point(body, place[0], json_text.column(body, *place))


def _path(path: str) -> str:
    """A path from "/" on; _cat's tables have their headers."""
    if any(c.isspace() or not c.isprintable() for c in path):
        raise UsageError(f"{path!r} has a space in it", "write %20 for a space")
    if "://" in path:
        raise UsageError(f"{path!r} is a whole address", "give the path alone: _cat/indices")
    path = f"/{path.lstrip('/')}"
    return f"{path}?v" if path.startswith("/_cat/") and "?" not in path else path


def _answer(client: Any, method: str, path: str, body: str | None, lines: bool) -> tuple[int, Any]:
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    from scalelab.search import server

    kind = "application/x-ndjson" if lines else "application/json"
    accept = "text/plain" if path.startswith("/_cat") and "format=" not in path else kind
    headers = {"accept": accept.replace("x-ndjson", "json")}
    if body is not None:
        headers["content-type"] = kind
    try:
        # A POST whose answer was lost may have been done: another would do it twice.
        once = {"max_retries": 0} if method == "POST" else {}
        response = client.options(retry_on_status=(), **once).perform_request(
            method, path, headers=headers, body=body
        )
    except ApiError as error:
        return int(error.meta.status), error.body
    except TransportError as error:
        raise server.silent(error, "see: scalelab status") from None
    return int(response.meta.status), response.body


def _print(answer: Any) -> None:
    import json

    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace")
    if isinstance(answer, str):
        print(answer, end="" if answer.endswith("\n") or not answer else "\n")
        return
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    if sys.stdout.isatty():
        from rich.json import JSON

        output.stdout().print(JSON(text, indent=2), soft_wrap=True)
    else:
        print(text)


def analyze(
    text: Annotated[str, typer.Argument(help="What to analyze.")],
    analyzer: Annotated[
        str | None, typer.Option("--analyzer", "-a", help="By its name. Default: standard.")
    ] = None,
    field: Annotated[
        str | None, typer.Option("--field", help="That of this field of the index instead.")
    ] = None,
    index: search_options.Index = None,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Show the tokens that an analyzer makes of a text, with their positions and offsets."""
    from urllib.parse import quote

    from scalelab.search import asking, finding, server

    if analyzer and field:
        raise UsageError("--analyzer and --field exclude each other", "choose one")
    if not text:
        raise UsageError("there is no text to analyze", 'scalelab search analyze "The Foxes"')
    cluster = config.clusters().find(name).seen()
    with asking.elasticsearch(cluster.places) as client:
        path = "/_analyze"
        if field or index:
            collection = finding.in_elasticsearch(client, index)
            if field and field not in collection.types:
                raise UnknownName(f"field of {collection.name}", field, collection.types)
            path = f"/{quote(collection.name, safe=',*')}/_analyze"
        by = {"field": field} if field else {"analyzer": analyzer or "standard"}
        try:
            tokens = server.send(client, "POST", path, {**by, "text": text})["tokens"]
        except server.Refused as error:
            raise UsageError(
                f"the server cannot: {error.reason}",
                "analyzers it always has: standard, simple, whitespace, stop, keyword",
            ) from None
    if json:
        content = {"analyzer": None, "field": None, **by, "text": text, "tokens": tokens}
        output.document("scalelab.search-analyze", 1, content)
        return
    _print_tokens(by, tokens)


def _print_tokens(by: dict[str, str], tokens: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    how = ", ".join(f"{kind} {name}" for kind, name in by.items())
    console = output.stdout()
    count = f"{len(tokens)} token{'s' * (len(tokens) != 1)}"
    console.print(Text.assemble((count, "bold"), (f" by {how}", "dim")))
    if not tokens:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("position", justify="right")
    table.add_column("token", style="bold", overflow="fold")
    table.add_column("offsets", justify="right")
    table.add_column("type", style="dim")
    for each in tokens:
        offsets = f"{each['start_offset']}-{each['end_offset']}"
        table.add_row(str(each["position"]), Text(each["token"]), offsets, each["type"])
    console.print(table)
