"""What a timeline's entry says, and what is wrong with one."""

from __future__ import annotations

import pytest

from scalelab import catalog
from scalelab.errors import UnknownName, UsageError
from scalelab.strokes import Stroke, parse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kill primary @2s", Stroke("", "kill", "primary", 2.0)),
        ("  kill   primary   @ 2s ", Stroke("", "kill", "primary", 2.0)),
        ("pause replica1 @1.5s for 500ms", Stroke("", "pause", "replica1", 1.5, 0.5)),
        ("promote replica1 @3s", Stroke("", "promote", "replica1", 3.0)),
        (
            "slow replica1--primary @1s for 2s latency=200ms",
            Stroke("", "slow", "replica1--primary", 1.0, 2.0, {"latency": 0.2}),
        ),
        (
            "throttle replica1--primary @0s rate=200kB/s",
            Stroke("", "throttle", "replica1--primary", 0.0, None, {"rate": 200_000.0}),
        ),
    ],
)
def test_an_entry_says_what_strikes_when_and_for_how_long(text: str, said: Stroke) -> None:
    read = parse(text, catalog.faults)
    assert (read.kind, read.target, read.at_s, read.for_s, dict(read.options)) == (
        said.kind,
        said.target,
        said.at_s,
        said.for_s,
        dict(said.options),
    )
    assert read.text == text


def test_a_link_has_two_nodes() -> None:
    assert parse("slow replica1--primary @1s", catalog.faults).nodes == ["replica1", "primary"]
    assert parse("kill cache @1s", catalog.faults).nodes == ["cache"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no 'KIND TARGET @TIME'"),
        ("kill primary", "is no 'KIND TARGET @TIME'"),
        ("kill primary @soon", "@ takes a duration"),
        ("kill primary @2", "@ takes a duration"),
        ("kill primary @-1s", "@ takes a duration"),
        ("pause primary @1s for", "for what?"),
        ("promote replica1 @1s for 2s", "for what?"),
        ("pause primary @1s for 0s", "is out of range"),
        ("slow primary @1s", "links are between nodes"),
        ("slow client--primary @1s", "links are between nodes"),
        ("slow replica1--primary @1s latency=1h", "--latency"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, catalog.faults)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "said", "near"),
    [
        ("kil primary @1s", "no kind of fault 'kil'", "kill"),
        ("slow a--b @1s latencyy=2s", "no option of slow 'latencyy'", "latency"),
        ("promote replica1 @1s loudly", "no option of promote 'loudly'", ""),
    ],
)
def test_near_names_are_suggested(text: str, said: str, near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        parse(text, catalog.faults)
    assert said in caught.value.message
    assert near in caught.value.hint
