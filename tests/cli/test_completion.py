"""Shell completion knows what there is: topologies, labs, clusters, nodes, runtimes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run, environment

_SCALELAB = str(Path(sys.executable).with_name("scalelab"))


def _complete(state: Path, line: str, **more: str) -> list[str]:
    """What the shell would offer for the last word of ``line``."""
    words = line.split(" ")
    done = subprocess.run(
        [_SCALELAB],
        env=environment(
            state,
            _SCALELAB_COMPLETE="complete_bash",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
            **more,
        ),
        cwd=state.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("scalelab do", ["down", "doctor"]),
        (
            "scalelab up ",
            ["caching", "ha", "hybrid", "replication", "search", "sharding", "single"],
        ),
        ("scalelab up s", ["search", "sharding", "single"]),
        ("scalelab compose rep", ["replication"]),
        ("scalelab bench c", ["caching"]),
        ("scalelab bench caching/s", ["caching/stampede", "caching/strategies"]),
        ("scalelab lab ", ["list", "new", "run", "show", "verify"]),
        ("scalelab lab show c", ["caching"]),
        ("scalelab lab run sh", ["sharding"]),
        ("scalelab lab verify caching r", ["replication"]),
        ("scalelab up single --runtime ", ["auto", "docker", "local"]),
        ("scalelab bench caching -r d", ["docker"]),
        ("scalelab down --name ", []),
        ("scalelab logs ", []),
    ],
)
def test_what_is_offered(state: Path, line: str, offered: list[str]) -> None:
    assert sorted(_complete(state, line)) == sorted(offered)
    assert not state.exists()  # looking makes nothing


def test_clusters_and_nodes(run: Run, state: Path) -> None:
    run("up", "caching", "-r", "local", "--name", "shop")
    assert _complete(state, "scalelab down --name ") == ["shop"]
    assert _complete(state, "scalelab status -n s") == ["shop"]
    assert _complete(state, "scalelab shell ") == ["cache", "primary"]
    assert _complete(state, "scalelab stop cache pr") == ["primary"]
    damaged = state / "clusters" / "broken.json"
    damaged.write_text("{")
    assert _complete(state, "scalelab logs p") == ["primary"]
    damaged.unlink()
    run("down")


def test_labs_of_the_user(state: Path) -> None:
    state.mkdir()
    lab = state.parent / "labs" / "mine"
    lab.mkdir(parents=True)
    (lab / "lab.py").write_text("nonsense that completion must not run")
    assert "mine" in _complete(state, "scalelab bench ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_to_install(state: Path, shell: str) -> None:
    done = subprocess.run(
        [_SCALELAB],
        env=environment(state, _SCALELAB_COMPLETE=f"source_{shell}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_SCALELAB_COMPLETE=complete_" in done.stdout
