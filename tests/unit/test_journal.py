"""The journal is for its owner alone, grows, and never stops a lab."""

import json
import threading

import pytest

from scalelab.journal import Journal

ANSWER = {"text": "How many times?", "metric": "ratio", "unit": "x", "answer": 2.5}
OUTCOME = {"text": "How many times?", "figure": 4.0, "outcome": "too low"}


@pytest.fixture
def notes():
    return []


@pytest.fixture
def journal(tmp_path, notes):
    return Journal(tmp_path / "state folder", notes.append)


def test_looking_makes_nothing(journal):
    assert journal.lab("caching") == {}
    assert not journal.path.parent.exists()


def test_a_prediction_and_how_it_came_out(journal, notes):
    journal.predicted("caching", 1.5, [ANSWER])
    assert journal.lab("caching") == {"predictions": [{"at_unix_s": 1.5, "answers": [ANSWER]}]}
    journal.predicted("caching", 2.5, [ANSWER])
    journal.came_out("caching", 1.5, "20261123T000000Z-caching", [OUTCOME])
    first, second = journal.lab("caching")["predictions"]
    assert (first["run"], first["outcomes"]) == ("20261123T000000Z-caching", [OUTCOME])
    assert "run" not in second
    assert journal.lab("sharding") == {}
    assert notes == []


def test_it_is_for_its_owner_alone(journal):
    journal.predicted("caching", 1.5, [ANSWER])
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700
    read = json.loads(journal.path.read_text())
    assert (read["schema"], read["version"]) == ("scalelab.journal", 1)


def test_what_else_is_in_it_stays(journal):
    journal.predicted("caching", 1.5, [ANSWER])
    read = json.loads(journal.path.read_text())
    read["labs"]["caching"]["exercises"] = {"race": "done"}
    journal.path.write_text(json.dumps(read))
    journal.predicted("caching", 2.5, [ANSWER])
    assert journal.lab("caching")["exercises"] == {"race": "done"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other"}', "\x00", "[" * 100_000])
def test_a_damaged_one_is_moved_aside(journal, notes, text):
    journal.path.parent.mkdir(parents=True)
    journal.path.write_text(text)
    assert journal.lab("caching") == {}
    journal.predicted("caching", 1.5, [ANSWER])
    assert len(journal.lab("caching")["predictions"]) == 1
    (aside,) = (journal.path.parent / "damaged").iterdir()
    assert aside.read_text() == text
    assert str(aside) in notes[0]


def test_one_of_another_version_is_left_alone(journal, notes):
    text = json.dumps({"schema": "scalelab.journal", "version": 2, "labs": {}})
    journal.path.parent.mkdir(parents=True)
    journal.path.write_text(text)
    journal.predicted("caching", 1.5, [ANSWER])
    assert journal.path.read_text() == text
    assert "another version" in notes[0]


def test_parts_that_are_odd_are_no_reason_to_stop(journal):
    labs = {"caching": [], "sharding": {"predictions": "many"}, "replication": {"predictions": [1]}}
    journal.path.parent.mkdir(parents=True)
    document = {"schema": "scalelab.journal", "version": 1, "labs": labs}
    journal.path.write_text(json.dumps(document))
    for name in labs:
        journal.predicted(name, 1.5, [ANSWER])
        journal.came_out(name, 1.5, None, [OUTCOME])
        assert journal.lab(name)["predictions"][-1]["outcomes"] == [OUTCOME]


def test_a_folder_that_cannot_be_made_is_noted(tmp_path, notes):
    (tmp_path / "file").write_text("")
    Journal(tmp_path / "file" / "state", notes.append).predicted("caching", 1.5, [ANSWER])
    assert "not written into the journal" in notes[0]


def test_two_at_once_lose_nothing(journal):
    def write(number):
        Journal(journal.path.parent, print).predicted("caching", number, [ANSWER])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {attempt["at_unix_s"] for attempt in journal.lab("caching")["predictions"]}
    assert found == set(range(8))
