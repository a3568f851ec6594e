"""Runs are kept whole, for their owner alone, and found again."""

import errno
import os

import pytest

from scalelab.errors import EnvironmentLacks
from scalelab.runs import Runs

AT = 1_700_000_000.5  # 2023-11-14 22:13:20 UTC


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path / "state folder")


def test_nothing_is_kept_and_nothing_made_by_looking(runs):
    assert runs.names() == []
    assert runs.latest() is None
    assert not runs.folder.parent.exists()


def test_kept_under_its_time_for_the_owner_alone(runs):
    name = runs.keep("{}\n", "caching", AT)
    assert name == "20231114T221320Z-caching"
    assert runs.path(name).read_text() == "{}\n"
    assert runs.path(name).stat().st_mode & 0o777 == 0o600
    assert runs.folder.stat().st_mode & 0o777 == 0o700
    assert runs.folder.parent.stat().st_mode & 0o777 == 0o700
    assert (runs.folder / "latest").read_text() == "{}\n"
    assert sorted(path.name for path in runs.folder.iterdir()) == [f"{name}.json", "latest"]


def test_two_runs_of_one_second(runs):
    first, second = runs.keep("1", "caching", AT), runs.keep("2", "caching", AT)
    assert second == f"{first}-2"
    assert (runs.path(first).read_text(), runs.path(second).read_text()) == ("1", "2")
    assert runs.names() == [second, first]
    assert runs.latest() == second


def test_a_name_that_another_process_is_writing_is_left_to_it(runs):
    runs.folder.mkdir(parents=True)
    busy = runs.folder / "20231114T221320Z-caching.new"
    busy.write_text("half")
    assert runs.keep("2", "caching", AT).endswith("-2")
    assert busy.read_text() == "half"


def test_latest_is_what_was_kept_last_or_else_the_newest(runs):
    newer = runs.keep("new", "caching", AT + 60)
    older = runs.keep("old", "caching", AT)
    assert runs.latest() == older
    runs.path(older).unlink()
    assert runs.latest() == newer
    (runs.folder / "latest").unlink()
    assert runs.latest() == newer


def test_no_name_leaves_the_folder(runs):
    name = runs.keep("{}", "../../x y", AT)
    assert runs.path(name).parent == runs.folder
    assert "/" not in name
    assert " " not in name


def test_a_full_disk_leaves_nothing_half_written(runs, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentLacks, match="No space left") as caught:
        runs.keep("{}", "caching", AT)
    assert "free some disk space" in caught.value.hint
    assert list(runs.folder.iterdir()) == []


def test_a_file_where_the_folder_should_be(runs):
    runs.folder.parent.mkdir()
    runs.folder.write_text("")
    with pytest.raises(EnvironmentLacks, match="cannot be written"):
        runs.keep("{}", "caching", AT)


def test_a_longer_document_takes_the_place_of_one_that_was_kept(runs):
    name = runs.keep("1", "caching", AT)
    runs.replace(name, "1 2")
    assert runs.path(name).read_text() == "1 2"
    assert runs.path(name).stat().st_mode & 0o777 == 0o600
    assert runs.names() == [name]
    assert sorted(path.name for path in runs.folder.iterdir()) == [f"{name}.json", "latest"]
