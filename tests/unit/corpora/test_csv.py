"""Tables as people export them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalelab.corpora import csv
from scalelab.errors import UsageError
from tests.unit.corpora.reading import read, written


def test_values(tmp_path: Path) -> None:
    text = 'id,n,x,code,ok,empty,quoted\n01,12,-1.5,007,TRUE,,"a ""b"",\nc"\n'
    found = read(csv.CORPUS, written(tmp_path, text))
    assert found.documents == {
        "01": {"id": "01", "n": 12, "x": -1.5, "code": "007", "ok": True, "quoted": 'a "b",\nc'}
    }
    assert not found.rejected


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = "key;name\r\na;b\r\n".replace(";", delimiter)
    assert read(csv.CORPUS, written(tmp_path, text)).documents == {"a": {"key": "a", "name": "b"}}


def test_ragged_rows_and_broken_quotes(tmp_path: Path) -> None:
    text = 'id,a\n1,x\n2\n3,x,y\n4,"x"y\n\n5,x\n6,"never closed\n7,x\n,\n8,x'
    found = read(csv.CORPUS, written(tmp_path, text))
    assert list(found.documents) == ["1", "5", "7", "8"]
    assert found.rejected["line 3"] == "1 values where the header has 2"
    assert found.rejected["line 4"] == "3 values where the header has 2"
    assert found.rejected["line 5"].startswith("no record: ")
    assert found.rejected["line 8"].startswith("no record: ")
    assert found.rejected["line 10"] == "a record without values"
    assert len(found.rejected) == 5


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    text = 'id,a\n0,"open\n' + "".join(f"{n},x\n" for n in range(1, 5000))
    found = read(csv.CORPUS, written(tmp_path, text))
    assert len(found.documents) == 4999
    assert list(found.rejected) == ["line 2"]


def test_names_of_columns(tmp_path: Path) -> None:
    found = read(csv.CORPUS, written(tmp_path, "\ufeffa,,a,b.\n1,2,3,4\n"))
    assert found.one() == {"a": 1, "column2": 2, "a_3": 3, "b": 4}


def test_a_header_alone_and_latin_1(tmp_path: Path) -> None:
    assert not read(csv.CORPUS, written(tmp_path, "a,b\n")).documents
    found = read(csv.CORPUS, written(tmp_path, b"id,a\n1,B\xfcro\n"))
    assert found.one()["a"] == "Büro"
    assert len(found.noted) == 1


def test_without_a_header(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no header"):
        read(csv.CORPUS, written(tmp_path, "\n\n"))
