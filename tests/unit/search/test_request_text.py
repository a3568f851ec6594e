"""A request written for curl and for Python is the request."""

from __future__ import annotations

import json
import shlex

from scalelab.search import request_text

_BODY = json.dumps({"query": {"match": {"t": 'it\'s "so" $HOME `x` größe'}}, "b": [True, None]})


def test_a_shell_sends_the_body_letter_by_letter() -> None:
    words = shlex.split(request_text.curl("POST", "/a b/_search?q=x&y", _BODY).replace("\\\n", ""))
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    assert words[4] == "$SEARCH_URL/a b/_search?q=x&y"
    assert words[-2:] == ["-d", _BODY]


def test_a_request_without_a_body() -> None:
    assert request_text.curl("GET", "/_cat/indices?v", None) == (
        "curl -sS \"$SEARCH_URL\"'/_cat/indices?v'"
    )
    assert "--head" in request_text.curl("HEAD", "/x", None)
    compile(request_text.python("GET", "/x", None), "x", "exec")


def test_the_address_is_asked_for_not_shown() -> None:
    assert request_text.address("search", None) == "export SEARCH_URL=$(scalelab url search)"
    assert request_text.address("search", "my lab").endswith("--name 'my lab')")


def test_python_says_the_same() -> None:
    for body in (_BODY, json.dumps({"query": {"terms": {"x": list(range(60))}}})):
        text = request_text.python("POST", "/i/_search", body)
        compile(text, "request", "exec")
        literal = text.split("body=", 1)[1].rsplit(",\n    )", 1)[0]
        assert eval(literal) == json.loads(body)
