"""Mailboxes: whatever is broken in a message, the others are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalelab.corpora import mbox
from scalelab.errors import UsageError
from tests.unit.corpora.reading import read, written

_GOOD = """\
From ada@example.org Wed May  1 10:00:00 2024
Message-ID: <one@example.org>
From: =?utf-8?q?Ada_L=C3=B6we?= <Ada@Example.org>
To: list@example.org
List-Id: The list <dev.example.org>
Subject: =?iso-8859-1?q?B=FCro?=
Date: Wed, 1 May 2024 10:00:00 +0200
Received: from a
Received: from b
X-Odd.Name: v

Hello.

"""
_BROKEN = (
    b"From x\nFrom: nobody\nDate: the day after\nSubject: =?klingon?q?a?=\n"
    b"Content-Type: text/plain; charset=unheard-of\n\nB\xfcro\n\n"
)
_PARTS = b"""\
From x
Message-ID: <two@example.org>
In-Reply-To: <one@example.org>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html

<style>p {}</style><p>Only <b>this</b></p>
--b
Content-Type: text/plain
Content-Disposition: attachment; filename=a.txt

attached
--b--

"""


def test_a_message(tmp_path: Path) -> None:
    found = read(mbox.CORPUS, written(tmp_path, _GOOD))
    assert list(found.documents) == ["one@example.org"]
    message = found.one()
    headers = message.pop("headers")
    assert message == {
        "subject": "Büro",
        "from": "ada@example.org",
        "to": "list@example.org",
        "list": "dev.example.org",
        "date": "2024-05-01T10:00:00+02:00",
        "text": "Hello.",
    }
    assert headers["from"] == "Ada Löwe <Ada@Example.org>"
    assert headers["received"] == ["from a", "from b"]
    assert headers["x-odd_name"] == "v"


def test_broken_ones_among_others(tmp_path: Path) -> None:
    found = read(mbox.CORPUS, written(tmp_path, b"From x\n\n\n" + _BROKEN + _GOOD.encode()))
    broken, good = found.documents.values()
    assert found.rejected == {"message 1": "neither headers nor text"}
    assert broken["text"] == "Büro"
    assert "date" not in broken
    assert broken["headers"]["date"] == "the day after"
    assert good["subject"] == "Büro"


def test_the_first_text_of_several_parts(tmp_path: Path) -> None:
    message = read(mbox.CORPUS, written(tmp_path, _PARTS)).one()
    assert message["text"] == "Only\nthis"
    assert message["in_reply_to"] == "one@example.org"


def test_the_same_ids_each_time(tmp_path: Path) -> None:
    file = written(tmp_path, _BROKEN)
    assert list(read(mbox.CORPUS, file).documents) == list(read(mbox.CORPUS, file).documents)


def test_no_mailbox(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no mailbox"):
        read(mbox.CORPUS, written(tmp_path, "Subject: x\n\nHello"))
