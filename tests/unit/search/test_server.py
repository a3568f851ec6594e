"""What a server refuses is said in its words; what is busy is asked again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from scalelab.errors import EnvironmentLacks, ScalelabError, UsageError
from scalelab.search import server


class _Script(ThreadingHTTPServer):
    """A server over HTTP that answers as it is told; what it was sent is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, Any]] = []
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Script

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"] or 0)))
        status, answer = self.server.answers.pop(0)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def script() -> Iterator[_Script]:
    with _Script() as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def client(script: _Script) -> Iterator[Elasticsearch]:
    with Elasticsearch(f"http://127.0.0.1:{script.server_port}") as made:
        yield made


def _error(kind: str, reason: str, **more: Any) -> dict[str, Any]:
    cause = {"type": kind, "reason": reason, **more}
    return {"error": {"root_cause": [cause], **cause}, "status": 0}


_BUSY = (429, _error("circuit_breaking_exception", "too much at once"))


def test_text_is_sent_letter_by_letter(script: _Script, client: Elasticsearch) -> None:
    script.answers = [(200, {"ok": 1}), (200, {})]
    text = '{ "größe" :\n1 }'
    assert server.send(client, "POST", "/_search", text) == {"ok": 1}
    server.send(client, "POST", "/_search", {"a": 1})
    assert script.bodies == [text.encode(), b'{"a": 1}']


def test_a_busy_server_is_asked_again(script: _Script, client: Elasticsearch) -> None:
    script.answers = [_BUSY, _BUSY, (200, {"ok": 1})]
    waits: list[float] = []
    assert server.send(client, "POST", "/_search", {}, wait=waits.append) == {"ok": 1}
    assert len(waits) == 2
    assert waits[0] < waits[1]


def test_a_server_that_stays_busy(script: _Script, client: Elasticsearch) -> None:
    script.answers = [_BUSY] * 9
    with pytest.raises(ScalelabError, match=r"too busy \(429\), also after 4 more") as error:
        server.send(client, "POST", "/_search", {}, wait=lambda seconds: None)
    assert error.value.exit_code == 1
    assert len(script.bodies) == 5


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (400, "the server refuses it: why", server.Refused, 2),
        (404, "the server refuses it: why", server.Refused, 2),
        (403, r"forbids it \(403\): why", ScalelabError, 1),
        (500, r"the server failed \(500\): why", ScalelabError, 1),
        (503, r"no copy of the index answers \(503\): why", ScalelabError, 1),
    ],
)
def test_each_status_is_said(
    script: _Script, client: Elasticsearch, status: int, said: str, kind: type, code: int
) -> None:
    script.answers = [(status, _error("some_exception", "why"))]
    with pytest.raises(kind, match=said) as error:
        server.send(client, "POST", "/_search", {})
    assert isinstance(error.value, ScalelabError)
    assert error.value.exit_code == code
    assert len(script.bodies) == 1  # nothing but 429 is tried again


def test_nobody_answers() -> None:
    with (
        Elasticsearch("http://127.0.0.1:1", max_retries=0) as client,
        pytest.raises(EnvironmentLacks, match=r"does not answer: connection refused$"),
    ):
        server.send(client, "GET", "/")


@pytest.mark.parametrize(
    ("body", "reason", "place"),
    [
        (_error("parsing_exception", "unknown", line=2, col=12), "unknown", (2, 12)),
        (_error("x_content_parse_exception", "[1:39] unknown"), "unknown", (1, 39)),
        (_error("query_shard_exception", "no mapping"), "no mapping", None),
        (
            _error("outer", "failed", caused_by={"type": "inner", "reason": "[3:4] the cause"}),
            "the cause",
            (3, 4),
        ),
        ({"error": "Incorrect HTTP method", "status": 405}, "Incorrect HTTP method", None),
        ("plain text", "plain text", None),
        (None, "no reason given", None),
    ],
)
def test_the_reason_and_its_place(body: Any, reason: str, place: tuple[int, int] | None) -> None:
    assert server.reason(body) == (reason, place)


def test_a_refusal_is_the_users() -> None:
    assert issubclass(server.Refused, UsageError)
