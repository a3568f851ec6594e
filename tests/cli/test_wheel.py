"""A wheel, installed elsewhere and used from another folder: everything it needs is in it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import environment, leftovers

_ROOT = Path(__file__).parents[2]

Installed = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built without a package index."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*build, str(_ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files; the libraries it needs are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder


@pytest.fixture
def installed(target: Path, state: Path, tmp_path: Path) -> Installed:
    """Run the installed `scalelab` in a folder of the user's."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, str(target / "bin" / "scalelab"), *arguments],
            env=environment(state, PYTHONPATH=str(target)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_it_is_the_wheel_that_runs(target: Path, tmp_path: Path) -> None:
    where = "import scalelab.catalog as c; print(c.__file__, *c.lab_folders().values())"
    done = subprocess.run(
        [sys.executable, "-c", where],
        env=environment(tmp_path, PYTHONPATH=str(target)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = done.stdout.split()
    assert len(paths) > 3
    assert all(path.startswith(str(target)) for path in paths)


def test_what_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "scalelab/py.typed" in names
    assert "scalelab/report/page.html.j2" in names
    assert "scalelab/labs/caching/lab.py" in names
    assert "scalelab/labs/caching/README.md" in names
    for file in ("lab.py", "counter.py", "README.md"):
        assert f"scalelab/lab_template/{file}" in names
    for recipe in (_ROOT / "compose" / "images").rglob("*"):
        if recipe.is_file():
            assert f"scalelab/images/{recipe.relative_to(_ROOT / 'compose/images')}" in names
    assert not [name for name in names if name.endswith(".pyc") or "tests/" in name]


def test_version_and_bench(installed: Installed, state: Path) -> None:
    assert installed("--version").stdout.startswith("scalelab ")
    arguments = ["caching", "--quick", "-r", "local", "--duration", "0.3", "--json", "-"]
    arguments += ["--variants", "database"]
    assert json.loads(installed("bench", *arguments).stdout)["lab"] == "caching"
    assert leftovers(state) == []


def test_recipes_of_images(target: Path, tmp_path: Path) -> None:
    where = "from scalelab.runtimes import images; print(images.recipes_folder())"
    done = subprocess.run(
        [sys.executable, "-c", where],
        env=environment(tmp_path, PYTHONPATH=str(target)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().startswith(str(target))
    assert list(Path(done.stdout.strip()).iterdir())


def test_labs_of_the_user(installed: Installed, tmp_path: Path) -> None:
    mine = tmp_path / "labs" / "mine" / "lab.py"
    mine.parent.mkdir(parents=True)
    for text, line, says in (
        ("LAB = 1 +\n", 1, "invalid syntax"),
        ("\n\nLAB = Lab()\n", 3, "'Lab' is not defined"),
        ("import no_such_module\n", 1, "no_such_module"),
    ):
        mine.write_text(text)
        said = installed("bench", "mine", code=2).stderr
        assert f"{mine}:{line}: " in said
        assert says in said
    mine.write_text("x = 1\n")
    assert f"{mine} defines no LAB" in installed("bench", "mine", code=2).stderr
    mine.write_text((_ROOT / "labs" / "caching" / "lab.py").read_text())
    said = installed("bench", "mine", "--variants", "cache-asid", code=2).stderr
    assert "did you mean 'cache-aside'?" in said
