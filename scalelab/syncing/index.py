"""The Elasticsearch side: bulks of changes whose order and repetition do not matter.

Every write carries the row's version (``version_type: external``), and Elasticsearch refuses what
is not newer than what it has. So an old change that comes late does no harm, nor does one that
comes twice, and who is not sure whether a bulk has arrived sends it again.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalelab.errors import RequestFailed
from scalelab.syncing.changes import Change
from scalelab.syncing.config import Server

_PATIENCE_S = 20.0
_CHUNK = 500
_BUSY = (429, 503)

DEFINITION = {
    "settings": {
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        # A deleted document's version is remembered for so long: a late older change of it would
        # bring it back. The usual minute is shorter than an outage.
        "index.gc_deletes": "1h",
    },
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "id": {"type": "long"},
            "version": {"type": "long"},
            "title": {"type": "text"},
            "body": {"type": "text"},
            "price": {"type": "double"},
            "updated_at": {"type": "date"},
        },
    },
}


@dataclass
class Outcome:
    """What became of a bulk.

    Attributes
    ----------
    applied : changes that are in the index now.
    refused : changes that were old news there: they came late, or a second time.
    rejected : changes it will never take, each with its reason.
    """

    applied: int = 0
    refused: int = 0
    rejected: list[tuple[Change, str]] = field(default_factory=list)


class Index:
    """One kept-alive connection to Elasticsearch; made on first use, and again after a loss."""

    def __init__(self, server: Server) -> None:
        login = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}"}
        self._http = http.client.HTTPConnection(server.host, server.port, timeout=_PATIENCE_S)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a request.

        Parameters
        ----------
        body : text goes as it is (lines of a bulk), all else as JSON.

        Raises
        ------
        RequestFailed : nobody answers, or the status is 400 or more ("404 not_found").
        """
        content = body if isinstance(body, str) else None if body is None else json.dumps(body)
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        headers = {**self._headers, **({"Content-Type": kind} if content is not None else {})}
        try:
            self._http.request(method, path, content and content.encode(), headers)
            answer = self._http.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            self._http.close()
            raise RequestFailed("Elasticsearch is gone", str(problem), lost=True) from None
        said = json.loads(text) if text else {}
        if answer.status >= 400:
            error = said.get("error", {})
            name = error.get("type", "") if isinstance(error, dict) else ""
            reason = error.get("reason", "") if isinstance(error, dict) else str(error)
            raise RequestFailed(f"{answer.status} {name}".strip(), reason)
        return said

    def write(
        self, names: Sequence[str], changes: Sequence[Change], *, again: bool = False
    ) -> Outcome:
        """Write changes to each of these indices.

        Parameters
        ----------
        again : also what it has in that very version, which may have been tampered with there.

        Raises
        ------
        RequestFailed : all of it has to be sent again: it is busy (429), or gone.
        """
        outcome = Outcome()
        kind = "external_gte" if again else "external"
        for name in names:
            for start in range(0, len(changes), _CHUNK):
                part = changes[start : start + _CHUNK]
                answer = self.ask("POST", f"/{name}/_bulk", "".join(_lines(part, kind)))
                # A bulk is answered by 200 with failures inside: each has to be looked at.
                for change, item in zip(part, answer["items"], strict=True):
                    _judge(change, next(iter(item.values())), outcome)
        return outcome

    # --- the index behind the alias ----------------------------------------------------------

    def behind(self, alias: str) -> str | None:
        """The index that an alias stands for; None where there is none."""
        try:
            found = list(self.ask("GET", f"/_alias/{alias}"))
        except RequestFailed as failure:
            if failure.kind.startswith("404"):
                return None
            raise
        return str(found[0])

    def create(self, name: str, alias: str = "") -> None:
        """Make an index, and its alias with it."""
        self.ask("PUT", f"/{name}", {**DEFINITION, "aliases": {alias: {}} if alias else {}})

    def drop(self, name: str) -> None:
        """Delete an index; one that is not there is none to delete."""
        self.ask("DELETE", f"/{name}?ignore_unavailable=true")

    def swap(self, alias: str, old: str, new: str) -> None:
        """Have the alias stand for another index, in one step: no reader sees neither or both."""
        actions = [
            {"remove": {"index": old, "alias": alias}},
            {"add": {"index": new, "alias": alias}},
        ]
        self.ask("POST", "/_aliases", {"actions": actions})

    def refresh(self, name: str) -> None:
        """Let searches find all that has been written."""
        self.ask("POST", f"/{name}/_refresh")

    def documents(self, name: str) -> Iterator[dict[str, Any]]:
        """Every document by its id, in pages that begin after the last one seen."""
        query: dict[str, Any] = {"size": 1000, "sort": ["id"], "track_total_hits": False}
        while hits := self.ask("POST", f"/{name}/_search", query)["hits"]["hits"]:
            yield from (hit["_source"] for hit in hits)
            query["search_after"] = hits[-1]["sort"]

    def in_use(self, name: str) -> bool:
        """Whether a search is under way there."""
        stats = self.ask("GET", f"/{name}/_stats/search")["_all"]["total"]["search"]
        return any(stats[each] for each in ("query_current", "fetch_current", "open_contexts"))


def _lines(changes: Iterable[Change], kind: str) -> Iterator[str]:
    for change in changes:
        action = "delete" if change.document is None else "index"
        meta = {"_id": str(change.id), "version": change.version, "version_type": kind}
        yield json.dumps({action: meta}) + "\n"
        if change.document is not None:
            yield json.dumps(change.document) + "\n"


def _judge(change: Change, item: dict[str, Any], outcome: Outcome) -> None:
    status = item["status"]
    if status < 300 or (status == 404 and change.document is None):
        outcome.applied += 1  # to delete what was not there leaves its version all the same
    elif status == 409:
        outcome.refused += 1
    elif status in _BUSY or status >= 500:
        raise RequestFailed(f"{status} {item['error']['type']}", item["error"].get("reason", ""))
    else:
        outcome.rejected.append((change, f"{item['error']['type']}: {item['error']['reason']}"))
