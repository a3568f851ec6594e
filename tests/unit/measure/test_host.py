"""Which commit a run was of, and where that cannot be told."""

import re
import subprocess

import pytest

from scalelab.measure import host


@pytest.fixture
def checkout(tmp_path):
    """A tracked folder of a repository."""
    folder = tmp_path / "repo" / "package" / "inner"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("one = 1\n")
    git(folder, "init", "-q", str(tmp_path / "repo"))
    git(folder, "add", ".")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    git(folder, *who, "commit", "-q", "-m", "First")
    return folder


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_checkout_says_its_commit_and_whether_it_was_changed(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert host.commit(checkout) == head[:12]
    (checkout / "new.py").write_text("")  # not part of it yet
    assert host.commit(checkout) == head[:12]
    (checkout / "module.py").write_text("one = 2\n")
    assert host.commit(checkout) == f"{head[:12]}-dirty"


def test_a_tag_changes_nothing(checkout):
    git(checkout, "tag", "v1")
    assert re.fullmatch("[0-9a-f]{12}", host.commit(checkout))


def test_a_repository_that_only_contains_it_is_not_its_own(checkout):
    installed = checkout.parent / "venv" / "site-packages" / "scalelab"
    installed.mkdir(parents=True)
    (installed / "module.py").write_text("")
    assert host.commit(installed) == ""


def test_no_repository_no_commit_no_git(checkout, tmp_path, monkeypatch):
    assert host.commit(tmp_path) == ""
    empty = tmp_path / "empty" / "package"
    empty.mkdir(parents=True)
    git(empty, "init", "-q", str(empty.parent))
    assert host.commit(empty) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.commit(checkout) == ""


def test_another_repository_in_the_environment_is_not_asked(checkout, tmp_path, monkeypatch):
    here = host.commit(checkout)
    assert here
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert host.commit(checkout) == here


def test_the_facts_name_what_a_comparison_needs():
    facts = host.facts()
    assert {"scalelab", "platform", "kernel", "machine", "python"} <= set(facts)
    assert {"cpus", "memory_bytes", "load_average_1min"} <= set(facts)
    assert facts["cpus"] >= 1
