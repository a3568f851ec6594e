"""Each command of `scalelab sync`, once, on a cluster whose syncer is stopped and started."""

from __future__ import annotations

import json
from pathlib import Path

from scalelab import sql
from scalelab.model import Place
from tests.conftest import Run, leftovers
from tests.real.test_cluster import cluster, until


def _execute(place: Place, statement: str) -> None:
    with sql.connect(place) as session:
        session.execute(statement)  # type: ignore[arg-type]


def test_an_index_falls_behind_and_is_made_right(run: Run, state: Path, java_ready: None) -> None:
    def differ() -> list[int]:
        done = run("sync", "compare", "--json", code=None)
        found = json.loads(done.stdout)
        differing = sorted({*found["missing"], *found["extra"], *found["different"]})
        assert done.returncode == (1 if differing else 0), done.stderr
        return differing

    run("up", "hybrid", "-r", "local")
    primary = cluster(state, "hybrid").places["primary"]
    _execute(
        primary,
        "INSERT INTO item (id, title, body, price) SELECT n, 'a', 'b', n"
        " FROM generate_series(1, 20) n",
    )
    until(lambda: differ() == [])

    run("stop", "syncer")
    _execute(primary, "DELETE FROM item WHERE id = 3; UPDATE item SET price = 0 WHERE id = 4")
    said = run("sync", "compare", code=1)
    assert "1 documents have no row: 3" in said.stdout
    assert "scalelab sync repair" in said.stderr
    assert "2 documents repaired" in run("sync", "repair").stdout
    assert differ() == []
    assert "items is items-" in run("sync", "rebuild").stdout
    run("start", "syncer")
    assert differ() == []
    run("down")
    assert leftovers(state) == []
