"""The course in its order, with the user's own labs at its end."""

import itertools

import pytest

from scalelab import catalog, course

LAB = (catalog.course_folder() / "caching" / "lab.py").read_text()


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def add(name, text):
        folder = tmp_path / "labs" / name
        folder.mkdir(parents=True)
        (folder / "lab.py").write_text(text)

    return add


def topics():
    return {topic.name: topic for module in course.modules() for topic in module.topics}


def test_every_topic_is_ready_or_planned(mine):
    assert course.modules()[0].title == "Scaling databases"
    assert len(topics()) == 13
    for name, topic in topics().items():
        assert topic.state == ("ready" if name in catalog.lab_folders() else "planned")
        assert (topic.lab is None) == (topic.folder is None) == (topic.state == "planned")


def test_own_labs_are_a_module_of_their_own(mine):
    mine("sound", LAB)
    mine("odd", "LAB = 1 / 0\n")
    module = course.modules()[-1]
    assert module.title == "Your own labs"
    assert [(topic.name, topic.state) for topic in module.topics] == (
        [("odd", "broken"), ("sound", "ready")]
    )
    assert "lab.py:1: division by zero" in str(module.topics[0].problem)
    assert topics()["caching"].state == "ready"


def test_what_comes_next(mine):
    ready = [topic.name for topic in topics().values() if topic.state == "ready"]
    for before, after in itertools.pairwise(ready):
        found = course.next_after(before)
        assert found is not None
        assert found.name == after
    assert course.next_after(ready[-1]) is None
    mine("sound", LAB)
    assert course.next_after("sound") is None
    assert course.next_after(ready[-1]) is None
