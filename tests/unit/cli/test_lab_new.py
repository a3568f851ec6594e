"""What `lab new` writes passes what every lab of the course must."""

from scalelab import catalog
from scalelab.cli import lab_new
from tests.unit.test_labs import SECTIONS


def test_a_new_lab_is_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab_new.new("votes", tmp_path / "labs")
    lab = catalog.lab("votes")
    assert lab.claims
    assert 2 <= len(lab.predictions) <= 3
    assert all(catalog.workloads[variant.workload].summary for variant in lab.variants)
    text = (tmp_path / "labs" / "votes" / "README.md").read_text()
    assert [line for line in text.splitlines() if line in SECTIONS] == SECTIONS
    assert "scalelab bench votes" in text
    assert "NAME" not in text
    assert all(f"**{variant.name}**" in text for variant in lab.variants)
