"""Lines as they are met in the wild."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalelab.corpora import _lines
from scalelab.errors import UsageError


class Heard:
    """What a reader says besides its documents."""

    def __init__(self) -> None:
        self.rejected: list[tuple[str, str]] = []
        self.noted: list[str] = []

    def reject(self, where: str, why: str) -> None:
        self.rejected.append((where, why))


@pytest.fixture
def heard() -> Heard:
    return Heard()


def read(path: Path, heard: Heard, longest: int = _lines.LONGEST) -> list[tuple[int, str]]:
    return list(_lines.lines(path, heard.reject, heard.noted.append, longest))


def test_a_mark_at_the_beginning_is_no_text(tmp_path: Path, heard: Heard) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    assert read(file, heard) == [(1, "one\r\n"), (2, "two")]


def test_latin_1_is_noted_once(tmp_path: Path, heard: Heard) -> None:
    file = tmp_path / "a"
    file.write_bytes("plain\nBüro\nzwölf\nзима\n".encode().replace("ü".encode(), b"\xfc"))
    assert [line for _, line in read(file, heard)] == ["plain\n", "Büro\n", "zwölf\n", "зима\n"]
    assert heard.noted == ["line 2 is not UTF-8: it is read as Latin-1, as are others like it"]
    assert not heard.rejected


def test_a_line_without_end_is_rejected_and_the_rest_goes_on(tmp_path: Path, heard: Heard) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1234567890\n" + b"x" * 3_000_000 + b"\nlast")
    assert read(file, heard, longest=11) == [(1, "1234567890\n"), (3, "last")]
    assert heard.rejected == [("line 2", "longer than 11 bytes")]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no file"), (b"", "is empty"), ("a".encode("utf-16"), "is UTF-16")],
)
def test_what_cannot_be_read(
    tmp_path: Path, heard: Heard, content: bytes | None, said: str
) -> None:
    file = tmp_path / "a"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read(file, heard)


def test_a_folder_and_nothing(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        read(tmp_path, heard)
    with pytest.raises(UsageError, match="read from a file"), _lines.opened(None):
        pass
