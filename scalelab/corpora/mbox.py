"""A mailbox file (mbox): one document a message, whatever is broken in it."""

from __future__ import annotations

import contextlib
import mailbox
import re
from collections.abc import Iterator
from datetime import UTC
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from scalelab.corpora import _lines
from scalelab.corpora._corpus import Corpus, Document, Meta, Note, Properties, Reject, digest
from scalelab.errors import UsageError

_MAPPING: Properties = {
    "subject": {
        "type": "text",
        "analyzer": "english",
        "fields": {"keyword": {"type": "keyword", "ignore_above": 256}},
    },
    "from": {"type": "keyword", "ignore_above": 256},
    "to": {"type": "keyword", "ignore_above": 256},
    "list": {"type": "keyword", "ignore_above": 256},
    "in_reply_to": {"type": "keyword", "ignore_above": 512},
    "date": {"type": "date"},
    "text": {"type": "text", "analyzer": "english"},
    # One field whatever the senders thought of: hundreds of them must not become fields each.
    "headers": {"type": "flattened", "ignore_above": 1024},
}


class Mbox:
    """Subject, sender, recipients, date and text of each message, and ``headers`` as they are.

    A date that nobody can read is left out of ``date``, and stays among the headers.
    """

    summary = "a mailbox (mbox): subject, from, to, date, text and all headers of each message"
    needs_source = True
    suffixes: tuple[str, ...] = (".mbox", ".mbx")
    meta: Meta | None = Meta("subject", ("subject^3", "text"), ("from", "list"), "date")
    mapping: Properties | None = _MAPPING

    def read(
        self, source: Path | None, reject: Reject, note: Note = lambda text: None
    ) -> Iterator[Document]:
        with _lines.opened(source) as file:
            if not file.readline(6).startswith(b"From "):
                raise UsageError(
                    f"{source} is no mailbox: it does not begin with a line 'From '",
                    "an mbox file is what a list's archive or a mail program exports",
                )
        assert source is not None
        with contextlib.closing(mailbox.mbox(source, create=False)) as box:
            for number, key in enumerate(box.iterkeys(), 1):
                try:
                    document = _document(box.get_message(key))
                except Exception as error:  # the email package raises what it likes
                    reject(f"message {number}", f"cannot be read: {error}")
                    continue
                if document is None:
                    reject(f"message {number}", "neither headers nor text")
                else:
                    yield document


def _document(message: Message) -> Document | None:
    headers = _headers(message)
    text = _body(message)
    if not headers and not text:
        return None
    name, address = parseaddr(_one(headers, "from"))
    fields = {
        "subject": _one(headers, "subject"),
        "from": address.lower() or name or _one(headers, "from"),
        "to": _one(headers, "to"),
        "list": _list(headers),
        "in_reply_to": _one(headers, "in-reply-to").strip("<> "),
        "date": _date(_one(headers, "date")),
        "text": text,
        "headers": headers,
    }
    kept = {key: value for key, value in fields.items() if value}
    return Document(_one(headers, "message-id").strip("<> ") or digest(kept), kept)


def _headers(message: Message) -> dict[str, Any]:
    """By name in small letters; a list where one comes several times."""
    found: dict[str, Any] = {}
    for name, value in message.items():
        key, text = _name(name), _decoded(value)
        if key and text and key in found:
            before = found[key]
            found[key] = [*(before if isinstance(before, list) else [before]), text]
        elif key and text:
            found[key] = text
    return found


def _name(name: str) -> str:
    # A dot would make an object of it.
    return _sound(name).strip().lower().replace(".", "_")


def _decoded(value: Any) -> str:
    try:
        text = str(make_header(decode_header(value)))
    except Exception:  # an unknown charset, broken base64, ...
        text = str(value)
    return " ".join(_sound(text).split())


def _sound(text: str) -> str:
    """Bytes beyond ASCII, which the email package keeps as surrogates, read as they may be."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode().replace("\0", "")
    except UnicodeDecodeError:
        return raw.decode("latin-1").replace("\0", "")


def _one(headers: dict[str, Any], name: str) -> str:
    value = headers.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _list(headers: dict[str, Any]) -> str:
    named = re.search(r"<([^<>]+)>", _one(headers, "list-id"))
    return named[1] if named else _one(headers, "list-id")


def _date(text: str) -> str | None:
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError, AttributeError):
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return when.isoformat() if 1970 <= when.year <= 9999 else None
    return None


def _body(message: Message) -> str:
    """The first plain text of its parts, else the words of the first HTML."""
    texts: dict[str, str] = {}
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or part.get_filename() or kind in texts:
            continue
        if kind in ("text/plain", "text/html"):
            texts[kind] = _text(part)
    return (texts.get("text/plain") or _words(texts.get("text/html", ""))).strip()


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    for charset in (part.get_content_charset() or "utf-8", "utf-8"):
        with contextlib.suppress(LookupError, ValueError):
            return raw.decode(charset).replace("\0", "")
    return raw.decode("latin-1").replace("\0", "")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._silent <= 0 and data.strip():
            self.found.append(" ".join(data.split()))


def _words(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return "\n".join(parser.found)


CORPUS: Corpus = Mbox()
