"""What is wrong with JSON is shown at its place."""

from __future__ import annotations

import pytest

from scalelab.errors import UsageError
from scalelab.search import json_text


def _refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        json_text.parse(text, "the request")
    return error.value


def test_an_object_is_read() -> None:
    assert json_text.parse(' {"size": 1} ', "x") == {"size": 1}


@pytest.mark.parametrize(
    ("text", "place", "hint", "shown"),
    [
        ('{"a": 1,}', "line 1, column 9", "leave out the comma", ('{"a": 1,}', "        ^")),
        ('{"a":\n 1', "line 2, column 3", "it ends too early", (" 1", "  ^")),
        ("{'a': 1}", "line 1, column 2", "double quotes", ("{'a': 1}", " ^")),
        ('{"a" 1}', "line 1, column 6", "mend it there", ('{"a" 1}', "     ^")),
        ('{\t"a" 1}', "line 1, column 7", "mend it there", ('{ "a" 1}', "      ^")),
    ],
)
def test_the_line_and_a_caret(text: str, place: str, hint: str, shown: tuple[str, str]) -> None:
    error = _refused(text)
    assert place in error.message
    assert hint in error.hint
    assert error.details == shown


def test_a_long_line_is_cut_around_the_place() -> None:
    text = '{"a": "' + "x" * 300 + '" "b": "' + "y" * 300 + '"}'
    line, caret = _refused(text).details
    assert len(line) <= 74
    assert line.startswith("…")
    assert line.endswith("…")
    assert line[caret.index("^") :].startswith('"b"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("[]", "a JSON array"),
        ("1", "a JSON number"),
        ('"a"', "a JSON string"),
        ("null", "a JSON null"),
    ],
)
def test_what_is_no_object(text: str, said: str) -> None:
    assert said in _refused(text).message


def test_what_is_nested_too_deeply() -> None:
    assert "nested too deeply" in _refused('{"a":' * 100_000).message


def test_a_servers_column_counts_bytes() -> None:
    text = '{"größe": 1}'
    assert json_text.column(text, 1, 5) == 5
    assert json_text.column(text, 1, 11) == 9  # two letters of two bytes before it
    assert json_text.column(text, 9, 3) == 3


def test_a_place_outside_of_the_text_shows_nothing() -> None:
    assert json_text.point("a", 2, 1) == ()
    assert json_text.point("a", 0, 1) == ()
    assert json_text.point("a", 1, 99) == ("a", " ^")
