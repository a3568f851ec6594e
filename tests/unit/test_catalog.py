"""A user's own labs and workloads: found, whole, or refused with file and line."""

import pytest

from scalelab import catalog
from scalelab.errors import UnknownName, UsageError

HEAD = "from scalelab.model import Claim, Lab, Prediction, Variant\n"
LAB = """\
LAB = Lab(
    "t", "q", "read",
    variants=(
        Variant("a", "single", "point_read_write"),
        Variant("b", "single", "mine.py"),
    ),
    claims=(Claim("faster", "b", "ratio", low=2),),
    predictions=(
        Prediction("how much?", "b", "ratio"),
    ),
)
"""
WORKLOAD = """\
class Mine:
    summary, keys, distribution = "of mine", 10, "uniform"

    def load(self, places): ...
    def versions(self, places): return ()
    def session(self, context, options): ...

WORKLOAD = Mine()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "labs" / "mine"
    made.mkdir(parents=True)
    (made / "mine.py").write_text(WORKLOAD)
    (made / "lab.py").write_text(HEAD + LAB)
    return made


def test_a_lab_with_a_workload_of_its_own(folder):
    lab = catalog.lab("mine")
    assert [variant.workload for variant in lab.variants] == (
        ["point_read_write", str(folder / "mine.py")]
    )
    assert catalog.workloads[lab.variants[1].workload].summary == "of mine"
    assert [file.name for file in folder.iterdir()] == ["lab.py", "mine.py"]  # nothing is cached


def test_what_is_read_is_the_file_as_it_is_now(folder):
    assert catalog.lab("mine").title == "t"
    (folder / "lab.py").write_text((HEAD + LAB).replace('"t"', '"u"'))
    assert catalog.lab("mine").title == "u"


@pytest.mark.parametrize(
    ("was", "now", "line", "says"),
    [
        ('"faster", "b"', '"faster", "bb"', 8, "there is no variant 'bb'"),
        ('"faster", "b", "ratio"', '"faster", "b", "p98_ms"', 8, "there is no metric 'p98_ms'"),
        ('"how much?", "b"', '"how much?", "a"', 10, "its own baseline"),
        ('"b", "single"', '"b", "singel"', 6, "there is no topology 'singel'"),
        ('"mine.py"', '"mein.py"', 6, "there is no workload 'mein.py'"),
        ('"point_read_write"', '"point_read"', 5, "there is no workload 'point_read'"),
        ('Variant("b"', 'Variant("a"', 5, "two variants are called 'a'"),
        ('Variant("b"', 'Variant("b c"', 6, "cannot be a variant's name"),
        ('"point_read_write")', '"point_read_write", params={"x": 1})', 5, "no parameter of"),
        ('"point_read_write")', '"point_read_write", worth=0)', 5, "worth=0 makes no sense"),
        ("variants=(", "variants=(1 / 0,", 4, "division by zero"),
        ("LAB = Lab(", "LAB = Lab((", 2, "was never closed"),
    ],
)
def test_an_error_names_file_and_line(folder, was, now, line, says):
    (folder / "lab.py").write_text((HEAD + LAB).replace(was, now, 1))
    with pytest.raises(UsageError, match=says) as raised:
        catalog.lab("mine")
    assert raised.value.message.startswith(f"{folder / 'lab.py'}:{line}: ")
    assert raised.value.hint


def test_a_tuple_that_is_none(folder):
    (folder / "lab.py").write_text((HEAD + LAB).replace("low=2),)", "low=2))"))
    with pytest.raises(UsageError, match=r"lab\.py: claims is no tuple of Claim") as raised:
        catalog.lab("mine")
    assert "comma" in raised.value.hint


def test_a_broken_lab_leaves_the_others_alone(folder):
    (folder / "lab.py").write_text("LAB = 1")
    with pytest.raises(UsageError, match=r"lab\.py: LAB is no Lab"):
        catalog.lab("mine")
    assert catalog.lab("caching").variants
    with pytest.raises(UnknownName, match="'cachng'") as raised:
        catalog.lab("cachng")
    assert "did you mean 'caching'?" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", r"mine\.py defines no WORKLOAD"),
        ("\nWORKLOAD = nonsense\n", r"mine\.py:2: name 'nonsense' is not defined"),
        ("import sys\nsys.exit()\n", r"mine\.py:2: SystemExit"),
        (WORKLOAD.replace("def versions", "def version"), r"mine\.py: its WORKLOAD has no"),
    ],
)
def test_a_workload_that_is_none(folder, text, says):
    (folder / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=says):
        catalog.workloads[str(folder / "mine.py")]
