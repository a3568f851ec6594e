"""Documents into an Elasticsearch index by bulks, several at a time, none lost when it is busy."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scalelab.corpora._corpus import Document
from scalelab.errors import EnvironmentLacks, ScalelabError, UsageError
from scalelab.search import mapping, server
from scalelab.search.loading import Outcome

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_LANES = 2
"""Bulks under way at once: while one is answered the next is on its way."""
_DOCUMENTS = 1000
_BYTES = 4 * 1024**2
_LIMIT = 100 * 1024**2
_PATIENCE_S = 60.0
"""How long a server may be too busy for a whole bulk before that is an error."""
_BUSY = (429, 503)
_TOO_LARGE = 413
_ROOM_LEFT = re.compile(r"max_coordinating_bytes=(\d+)")
"""Where a server says how much it takes at once: a share of its heap, whatever goes on."""
_TIMEOUT_S = 60.0
_WHILE_LOADING = "30s"
"""How often what is new becomes visible: rarely; should the tool be killed, it still does."""
_WHY = "see why: scalelab status; PostgreSQL alone: --into postgres"
_NEWLINES = {"accept": "application/json", "content-type": "application/x-ndjson"}
_SHOWN = "filter_path=items.*.status,items.*.result,items.*.error"
_ROOM = 2048
"""Bytes of a bulk that are not the document: its id, the address."""

_AROUND = re.compile(r"^\[\d+:\d+\] | in document with id '.*", re.DOTALL)
"""What a reason says that is known already: the place in the document's JSON, its id."""

Batch = dict[str, bytes]


def before(client: Elasticsearch, index: str) -> Mapping[str, Any] | None:
    """The mapping of an index that is there; None where none is."""
    found = _ask(client, "GET", f"/{index}/_mapping?ignore_unavailable=true")
    return next((each["mappings"] for each in found.values()), None)


class Elastic:
    """One index; see ``loading.Engine``.

    Documents of one id always take the same lane, so that the last one is the last one there too.

    Parameters
    ----------
    client : of the cluster; closed by who opened it.
    replace : an index that is there goes first.
    """

    def __init__(
        self, client: Elasticsearch, index: str, schema: mapping.Schema, *, replace: bool = False
    ) -> None:
        self.outcome = Outcome("elasticsearch")
        # What is lost on the way is sent again: the same under the same ids.
        self._client = client.options(
            request_timeout=_TIMEOUT_S, max_retries=3, retry_on_timeout=True, retry_on_status=()
        )
        self._index, self._schema, self._replace = index, schema, replace
        self._limit = _LIMIT
        self._refresh: str | None = None
        self._lanes: list[_Lane] = []

    def open(self) -> None:
        self._limit, analyzer = self._asked_limit(), mapping.ANALYZER
        if not self._has_analyzer():
            self.outcome.notes.append(
                f"this server has no analyzer {analyzer!r}: words are not reduced to stems"
            )
            self._schema, analyzer = self._schema.without(analyzer), "standard"
        if self._replace:
            self._send("DELETE", f"/{self._index}?ignore_unavailable=true")
        try:
            self._create(self._schema.mappings(analyzer))
        except server.Refused as error:
            raise UsageError(
                f"Elasticsearch refuses the mapping of {self._index}: {error.reason}",
                "give a mapping that fits with --mapping, or make the index anew with --replace",
            ) from None
        self._lanes = [_Lane(self) for _ in range(_LANES)]

    def put(self, document: Document, line: bytes) -> None:
        if len(line) + _ROOM > self._limit:
            with _COUNTING:
                self.outcome.failed.add(document.id, _too_large(len(line), self._limit))
            return
        self._lanes[hash(document.id) % _LANES].put(document.id, line)

    def close(self) -> None:
        for lane in self._lanes:
            lane.finish()
        for lane in self._lanes:
            lane.join()
        self._refresh_every(self._refresh)
        self._send("POST", f"/{self._index}/_refresh")

    def abandon(self) -> None:
        for lane in self._lanes:
            lane.stop()
        with contextlib.suppress(ScalelabError):  # what has arrived may be looked at
            impatient = self._client.options(request_timeout=2, max_retries=0)
            server.send(impatient, "POST", f"/{self._index}/_refresh", wait=_not_at_all)

    # --- the index ---------------------------------------------------------------------------

    def _create(self, mappings: Mapping[str, Any]) -> None:
        if (there := before(self._client, self._index)) is not None:
            self._extend(there, mappings)
            return
        replicas = 0 if self._data_nodes() == 1 else 1
        given = _plain(self._schema.settings)
        self._refresh = given.get("refresh_interval")
        index = {"number_of_replicas": replicas, **given, "refresh_interval": _WHILE_LOADING}
        settings = {"index": index}
        self._send("PUT", f"/{self._index}", {"settings": settings, "mappings": mappings})

    def _extend(self, there: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        held = there.get("_meta", {}).get("scalelab", {}).get("corpus")
        if held not in (None, self._schema.corpus):
            self.outcome.notes.append(f"{self._index} had documents of {held} before; they stay")
        self._send("PUT", f"/{self._index}/_mapping", mappings)
        if self._schema.settings:
            self.outcome.notes.append("the settings given are those of a new index: see --replace")
        path = f"/{self._index}/_settings?filter_path=*.settings.index.refresh_interval"
        for each in self._send("GET", path).values():
            interval = each["settings"]["index"]["refresh_interval"]
            # A load that was killed has left its own.
            self._refresh = None if interval == _WHILE_LOADING else interval
        self._refresh_every(_WHILE_LOADING)

    def _refresh_every(self, interval: str | None) -> None:
        body = {"index": {"refresh_interval": interval}}
        self._send("PUT", f"/{self._index}/_settings", body)

    def _asked_limit(self) -> int:
        limit = "max_content_length_in_bytes"
        found = self._send("GET", f"/_nodes/http?filter_path=nodes.*.http.{limit}")
        nodes = found.get("nodes", {}).values()
        return min((int(each["http"][limit]) for each in nodes), default=_LIMIT)

    def _data_nodes(self) -> int:
        health = self._send("GET", "/_cluster/health")
        return int(health["number_of_data_nodes"])

    def _has_analyzer(self) -> bool:
        try:
            self._send("POST", "/_analyze", {"analyzer": mapping.ANALYZER, "text": "a"})
        except server.Refused:
            return False
        return True

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return _ask(self._client, method, path, body)

    # --- bulks -------------------------------------------------------------------------------

    def write(self, batch: Batch, stopped: threading.Event) -> Iterator[tuple[str, int, str]]:
        """Write one batch; ends when every document is in or has failed for good.

        Returns
        -------
        Of each document its id, the status and, where that is 400 or more, the reason.

        Raises
        ------
        ScalelabError : the server has been too busy for a minute.
        EnvironmentLacks : it does not answer, or takes no writes.
        """
        pause, deadline = 0.1, time.monotonic() + _PATIENCE_S
        pieces = [batch]
        while pieces and not stopped.is_set():
            piece = pieces.pop()
            again: Batch = {}
            why = ""
            for id, status, reason in self._bulk(piece):
                if status in _BUSY or (status == _TOO_LARGE and len(piece) > 1):
                    again[id], why = piece[id], reason
                else:
                    yield id, status, reason
            if len(again) < len(piece):  # it gets on
                pause, deadline = 0.1, time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                raise ScalelabError(
                    f"Elasticsearch has taken no document for {_PATIENCE_S:.0f} s: {why}",
                    "see its health: scalelab search rest GET _cluster/health",
                )
            if again:
                # What was refused whole may be too much at once for the memory it has.
                pieces += _halves(again) if len(again) == len(piece) else [again]
                stopped.wait(pause)
                pause = min(2 * pause, 5.0)

    def _bulk(self, batch: Batch) -> Iterator[tuple[str, int, str]]:
        from elastic_transport import TransportError
        from elasticsearch import ApiError

        body = b"".join(_action(id) + line + b"\n" for id, line in batch.items())
        path = f"/{self._index}/_bulk?{_SHOWN}"
        try:
            answer = self._client.perform_request("POST", path, headers=_NEWLINES, body=body)
        except ApiError as error:
            yield from self._refused(batch, int(error.meta.status), error.body, len(body))
            return
        except TransportError as error:
            if "aborted" in str(error):
                raise EnvironmentLacks("Elasticsearch has ended a connection", _WHY) from None
            raise server.silent(error, _WHY) from None
        for id, item in zip(batch, answer.body["items"], strict=True):
            done = item["index"]
            yield id, int(done["status"]), _reason(done) if "error" in done else ""

    def _refused(
        self, batch: Batch, status: int, answer: Any, size: int
    ) -> Iterator[tuple[str, int, str]]:
        """What becomes of a bulk that is refused as a whole."""
        reason, _ = server.reason(answer)
        if (room := _ROOM_LEFT.search(reason)) and len(batch) == 1 and size > int(room[1]):
            status, reason = _TOO_LARGE, f"{size:,} bytes; the server has memory for {room[1]}"
        elif status == _TOO_LARGE:
            reason = _too_large(size, self._limit)
        elif status not in _BUSY:
            raise ScalelabError(
                f"Elasticsearch refuses a bulk ({status}): {reason}", "see its log: scalelab logs"
            )
        yield from ((id, status, reason) for id in batch)


class _Lane:
    """A thread that writes batches, one after the other, and what waits for it."""

    def __init__(self, engine: Elastic) -> None:
        self._engine = engine
        self._batch: Batch = {}
        self._size = 0
        self._waiting: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bulk", daemon=True)
        self._thread.start()

    def put(self, id: str, line: bytes) -> None:
        """Take one document; one of the same id that still waits is not written."""
        if self._size + len(line) > _BYTES or len(self._batch) >= _DOCUMENTS:
            self._hand_over()
        # Taken out first: a later document of the same id comes later.
        self._size -= len(self._batch.pop(id, b""))
        self._batch[id] = line
        self._size += len(line)

    def finish(self) -> None:
        """Write what is there, then end."""
        self._hand_over()
        self._enqueue(None)

    def join(self) -> None:
        """Wait for the end.

        Raises
        ------
        ScalelabError : what ended it.
        """
        self._thread.join()
        self._check()

    def stop(self) -> None:
        """End after the bulk that is under way."""
        self._stopped.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(_TIMEOUT_S)

    def _hand_over(self) -> None:
        if self._batch:
            self._enqueue(self._batch)
            self._batch, self._size = {}, 0

    def _enqueue(self, batch: Batch | None) -> None:
        while True:
            self._check()
            try:
                return self._waiting.put(batch, timeout=0.2)
            except queue.Full:
                continue

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        outcome = self._engine.outcome
        try:
            while (batch := self._waiting.get()) is not None and not self._stopped.is_set():
                for id, status, reason in self._engine.write(batch, self._stopped):
                    with _COUNTING:
                        if status >= 400:
                            outcome.failed.add(id, reason)
                        elif status == 201:
                            outcome.created += 1
                        else:
                            outcome.updated += 1
        except BaseException as error:
            self._error = error


_COUNTING = threading.Lock()


def _action(id: str) -> bytes:
    return b'{"index":{"_id":' + json.dumps(id).encode() + b"}}\n"


def _halves(batch: Batch) -> list[Batch]:
    items = list(batch.items())
    middle = len(items) // 2
    return [dict(half) for half in (items[middle:], items[:middle]) if half]


def _reason(done: Mapping[str, Any]) -> str:
    error = done["error"]
    if error.get("type") == "cluster_block_exception":
        raise EnvironmentLacks(
            f"Elasticsearch takes no writes: {error.get('reason')}",
            "it is usually a disk that is nearly full: free some space",
        )
    said, _ = server.reason({"error": error})
    outer = _AROUND.sub("", str(error.get("reason", "")))
    # Outside is which field, inside is why.
    return outer if said in outer else f"{outer}: {said}"


def _ask(
    client: Elasticsearch, method: str, path: str, body: Mapping[str, Any] | None = None
) -> Any:
    try:
        return server.send(client, method, path, body)
    except EnvironmentLacks as error:
        raise EnvironmentLacks(error.message, _WHY) from None


def _too_large(size: int, limit: int) -> str:
    return f"{size:,} bytes; the server takes {limit:,} (http.max_content_length)"


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the ``index`` that may be around them."""
    inner = settings.get("index")
    outer = {key: value for key, value in settings.items() if key != "index"}
    plain = {**outer, **(inner if isinstance(inner, Mapping) else {})}
    return {key.removeprefix("index."): value for key, value in plain.items()}


def _not_at_all(seconds: float) -> None: ...
