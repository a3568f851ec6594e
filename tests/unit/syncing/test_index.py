"""What a bulk's answer means for each change in it."""

from __future__ import annotations

import json

import pytest

from scalelab.errors import RequestFailed
from scalelab.syncing.changes import Change
from scalelab.syncing.index import Outcome, _judge, _lines

_SAVED, _DELETED = Change(1, 3, {"id": 1}), Change(1, 4, None)


@pytest.mark.parametrize(
    ("change", "status", "found"),
    [
        (_SAVED, 201, (1, 0, 0)),
        (_SAVED, 409, (0, 1, 0)),  # something newer is there
        (_DELETED, 404, (1, 0, 0)),  # its version is remembered all the same
        (_SAVED, 404, (0, 0, 1)),
        (_SAVED, 400, (0, 0, 1)),
    ],
)
def test_each_item_is_judged(change: Change, status: int, found: tuple[int, int, int]) -> None:
    outcome = Outcome()
    _judge(change, {"status": status, "error": {"type": "t", "reason": "r"}}, outcome)
    assert (outcome.applied, outcome.refused, len(outcome.rejected)) == found


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with pytest.raises(RequestFailed, match="r"):
        _judge(_SAVED, {"status": status, "error": {"type": "t", "reason": "r"}}, Outcome())


def test_every_write_has_its_rows_version() -> None:
    lines = [json.loads(line) for line in _lines([_SAVED, _DELETED], "external")]
    about = {"_id": "1", "version_type": "external"}
    assert lines == [
        {"index": {**about, "version": 3}},
        {"id": 1},
        {"delete": {**about, "version": 4}},
    ]
