"""lab new: a folder with a lab that runs at once, to be made one's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from scalelab.cli import output
from scalelab.errors import EnvironmentLacks, UsageError

_TEMPLATE = Path(__file__).parents[1] / "lab_template"
_FILES = ("lab.py", "counter.py", "README.md")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


def new(
    name: Annotated[str, typer.Argument(help="Of the new lab.")],
    folder: Annotated[
        Path, typer.Option("--folder", help="Where labs are; scalelab looks into labs/.")
    ] = Path("labs"),
) -> None:
    """Write a lab of your own that runs at once, to be changed."""
    from scalelab import catalog

    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a lab's name",
            "use small letters, digits and -, 30 at most, a letter first",
        )
    if taken := catalog.lab_folders().get(name):
        raise UsageError(f"there is a lab {name!r} in {taken}", "choose another name")
    target = folder / name
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{target} is there already", "nothing is overwritten: choose another name"
        )
    _write(target, name)
    output.stdout().print(f"made {target}: {', '.join(_FILES)}", markup=False)
    if folder.absolute() == Path.cwd() / "labs":
        output.note(f"run it with: scalelab lab run {name}")
    else:
        output.note(f"scalelab looks for it in labs/ where you stand: cd {folder.parent}")


def _write(target: Path, name: str) -> None:
    """Make the folder, complete or not at all."""
    fresh = target.with_name(f".{name}.new")
    try:
        fresh.mkdir(parents=True)
        try:
            for file in _FILES:
                text = (_TEMPLATE / file).read_text(encoding="utf-8")
                (fresh / file).write_text(text.replace("NAME", name), encoding="utf-8")
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise EnvironmentLacks(
            f"{target} cannot be written: {error.strerror}", "make it writable, or use --folder"
        ) from None
