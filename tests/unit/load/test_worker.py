from __future__ import annotations

from pathlib import Path

import pytest

from scalelab.load.worker import find_workload
from scalelab.workloads import product_page


def test_a_workload_is_found_by_the_name_of_its_file() -> None:
    assert find_workload("product_page") is product_page.WORKLOAD


def test_a_workload_elsewhere_is_found_by_the_path_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    summary = 'of mine'\n\nWORKLOAD = Mine()\n")
    assert find_workload(str(path)).summary == "of mine"


def test_a_workload_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        find_workload("no_such")
