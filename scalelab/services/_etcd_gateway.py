"""etcd's gateway, which speaks JSON over HTTP, as far as it is asked here."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from scalelab.model import Place

PATIENCE_S = 3.0
"""How long to wait for an answer that should come at once."""


def token(place: Place, patience_s: float) -> str:
    """What a client shows instead of the password; raises OSError where none is to be had."""
    who = {"name": "root", "password": place.password}
    return str(ask(place, "auth/authenticate", who, patience_s)["token"])


def ask(
    place: Place, what: str, question: Mapping[str, str], patience_s: float, shown: str = ""
) -> Any:
    """Ask a node, showing a token where it wants one; raises OSError where it fails."""
    request = urllib.request.Request(
        f"http://{place.client}/v3/{what}",
        json.dumps(question).encode(),
        {"Content-Type": "application/json", **({"Authorization": shown} if shown else {})},
    )
    # Never by a proxy of the user's: it is this machine that is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=patience_s) as answer:
        return json.load(answer)


def value(place: Place, key: str, patience_s: float) -> bytes | None:
    """What the store has under a key, None for nothing; raises OSError where it does not answer."""
    question = {"key": base64.b64encode(key.encode()).decode()}
    found = ask(place, "kv/range", question, patience_s, token(place, patience_s)).get("kvs")
    return base64.b64decode(found[0]["value"]) if found else None
