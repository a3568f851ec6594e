"""Every lab folder is whole: it loads, has a guide, and the course knows it."""

import tomllib
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.errors import UsageError
from scalelab.measure import metrics
from scalelab.model import Budget

LABS = Path(__file__).parents[2] / "labs"
FOLDERS = sorted(file.parent for file in LABS.glob("*/lab.py"))
SECTIONS = [
    "## Question",
    "## Prediction",
    "## Run",
    "## What you saw",
    "## Why",
    "## When not to do this",
]
every_lab = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def course():
    return tomllib.loads((LABS / "course.toml").read_text())


@every_lab
def test_lab_loads_and_makes_sense(folder):
    lab = catalog.lab(folder.name)
    names = [variant.name for variant in lab.variants]
    assert len(names) == len(set(names)) >= 2
    # Typed in ``--variants a,b``.
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)
    assert lab.claims
    metrics.check(lab)


@every_lab
def test_a_learner_is_asked_for_two_or_three_figures(folder):
    predictions = catalog.lab(folder.name).predictions
    assert 2 <= len(predictions) <= 3
    assert all(prediction.text.endswith("?") for prediction in predictions)
    assert f"scalelab lab run {folder.name}" in (folder / "README.md").read_text()


@every_lab
def test_variants_name_what_exists(folder):
    for variant in catalog.lab(folder.name).variants:
        catalog.topology(variant.topology, variant.params)
        assert variant.workload in catalog.workloads


@every_lab
def test_guide_has_its_sections_in_order(folder):
    lines = (folder / "README.md").read_text().splitlines()
    assert [line for line in lines if line in SECTIONS] == SECTIONS
    text = "\n".join(lines)
    assert f"scalelab bench {folder.name}" in text
    for variant in catalog.lab(folder.name).variants:
        assert f"**{variant.name}**" in text


def test_course_has_the_thirteen_topics_in_order():
    topics = [topic for module in course()["module"] for topic in module["topics"]]
    assert len(topics) == len(set(topics)) == 13
    assert list(course()["topics"]) == topics
    assert len(course()["module"]) == 3


@every_lab
def test_course_knows_the_lab(folder):
    assert folder.name in course()["topics"]


EXPERIMENTS = [name for folder in FOLDERS for name in catalog.experiments(folder.name)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_loads_claims_and_is_in_the_guide(name):
    found = catalog.lab(name)
    assert found.claims
    metrics.check(found)
    guide = (LABS / name.partition("/")[0] / "README.md").read_text()
    assert f"scalelab bench {name}" in guide
    for variant in found.variants:
        assert f"**{variant.name}**" in guide


def test_a_users_experiment_is_found_checked_and_scaled(tmp_path, monkeypatch):
    folder = tmp_path / "labs" / "mine"
    (folder / "experiments").mkdir(parents=True)
    text = """
from scalelab.model import Claim, Lab, Variant
LAB = Lab("T", "Q?", "read", (
    Variant("small", "single", "point_read_write"),
    Variant("large", "single", "point_read_write", scale=SCALE),
))
"""
    (folder / "lab.py").write_text(text.replace("SCALE", "2"))
    (folder / "experiments" / "larger.py").write_text(text.replace("SCALE", "4"))
    (folder / "experiments" / "broken.py").write_text(text.replace("SCALE", "0"))
    monkeypatch.chdir(tmp_path)
    assert catalog.experiments("mine") == ["mine/broken", "mine/larger"]
    assert catalog.lab("mine").variants[1].scale == 2
    assert catalog.lab("mine/larger").variants[1].scale == 4
    with pytest.raises(UsageError, match=r"broken\.py:5: scale=0"):
        catalog.lab("mine/broken")
    with pytest.raises(UsageError, match="no experiment of mine 'mine/lager'") as caught:
        catalog.lab("mine/lager")
    assert "mine/larger" in caught.value.hint


def test_a_larger_machine_has_more_of_everything_it_has():
    assert Budget(0.2, 1000).times(2) == Budget(0.4, 2000)
    assert Budget(0.2, 1000, 500).times(2) == Budget(0.4, 2000, 1000)
    assert Budget(None, None).times(4) == Budget(None, None)


def test_prices_of_the_users_win_and_mistakes_in_them_are_said(tmp_path, monkeypatch):
    lab = catalog.lab("scaling")
    monkeypatch.chdir(tmp_path)
    assert {variant.scale for variant in lab.variants} <= set(catalog.prices(lab).per_month)
    assert catalog.prices(catalog.lab("sharding")) is None
    mine = tmp_path / "prices.toml"
    mine.write_text('currency = "EUR"\n[per_month]\n1 = 7\n')
    assert catalog.prices(lab).per_month == {1: 7}
    assert catalog.prices(lab).source == "your prices.toml"
    mine.write_text('currency = "EUR"\n[per_month]\n1 = "seven"\n')
    with pytest.raises(UsageError, match=r"your prices\.toml: the price of size 1 is 'seven'"):
        catalog.lab("scaling")
    mine.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"your prices\.toml cannot be read"):
        catalog.lab("scaling")
