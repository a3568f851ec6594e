"""exercise: tasks of the course, done in a file of one's own and checked on real servers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output
from scalelab.errors import AnswerFailed, Inconclusive, ScalelabError, UnknownName, UsageError

if TYPE_CHECKING:
    from scalelab.grading.exercise import Exercise

_FOLDER = "exercises"
_WATCH_S = 0.3
_SEEDS = 1_000_000

Name = Annotated[
    str, typer.Argument(help="Which exercise.", autocompletion=options.complete_exercise)
]
MaybeName = Annotated[
    str | None,
    typer.Argument(
        help="Which exercise. Default: the one started last.",
        autocompletion=options.complete_exercise,
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's command group."""
    group = typer.Typer(no_args_is_help=True, help="Exercises, checked on real servers.")
    group.command("list")(list_exercises)
    group.command("next")(next_exercise)
    for command in (start, check, hint, solution, reset, watch):
        group.command()(command)
    app.add_typer(group, name="exercise")


def list_exercises(json: options.Json = False) -> None:
    """List all exercises in the order of the course, and how far you are."""
    rows = [_row(one) for one in _all().values()]
    if json:
        output.document("scalelab.exercises", 1, {"exercises": rows})
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("exercise", no_wrap=True)
    for heading in ("lab", "task", "state"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = {"passed": "green", "started": "yellow"}.get(row["state"], "")
        state = f"[{style}]{row['state']}[/]" if style else row["state"]
        table.add_row(row["name"], row["lab"], row["title"], state)
    output.stdout().print(table)
    passed = sum(row["state"] == "passed" for row in rows)
    output.stdout().print(f"{passed} of {len(rows)} passed; go on with: scalelab exercise next")


def start(
    name: Name,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where your file is put.", file_okay=False)
    ] = Path(_FOLDER),
) -> None:
    """Begin an exercise: its task is shown, and a file to fill in is put into a folder of yours."""
    one = _find(name)
    path = _kept(one).get("file")
    if path and Path(path).exists():
        output.note(f"started already: {path}")
    else:
        path = str(_put(one, folder.absolute()))
        config.journal().exercised(one.lab, one.name, file=path, started_unix_s=time.time())
    _show(one.task)
    output.stdout().print(
        f"your file: {path}\ncheck it with: scalelab exercise check {one.name}",
        markup=False,
        soft_wrap=True,
    )


def next_exercise() -> None:
    """Begin the first exercise that is not passed yet."""
    for one in _all().values():
        if _state(one) != "passed":
            start(one.name)
            return
    output.stdout().print("all exercises are passed")


def check(
    name: MaybeName = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The same check again. Default: a new one.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also when it is passed and has not changed since.")
    ] = False,
    runtime: options.Runtime = "auto",
) -> None:
    """Check your file on real servers."""
    one = _find(name)
    path = _file(one)
    unchanged = _digest(path) == _kept(one).get("passed_sha256")
    if _state(one) == "passed" and unchanged and not again:
        output.stdout().print(
            f"{one.name} is passed, and your file has not changed since; check it all the same "
            "with --again; go on with: scalelab exercise next",
            soft_wrap=True,
        )
        return
    _check(one, path, seed, runtime)


def hint(
    name: MaybeName = None,
    level: Annotated[int | None, typer.Option("--level", min=1, help="Default: the next.")] = None,
) -> None:
    """Show the next hint, each plainer than the one before."""
    one = _find(name)
    levels, seen = one.hints, int(_kept(one).get("hints", 0))
    wanted = min(level or seen + 1, len(levels))
    config.journal().exercised(one.lab, one.name, hints=max(seen, wanted))
    output.stdout().print(f"[bold]hint {wanted} of {len(levels)}[/]")
    _show(levels[wanted - 1])
    if wanted == len(levels):
        output.note(
            f"that is the last; a solution: scalelab exercise solution {one.name} --give-up"
        )


def solution(
    name: MaybeName = None,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Although it is not passed yet.")
    ] = False,
) -> None:
    """Show a solution, once the exercise is passed."""
    one = _find(name)
    if _state(one) != "passed" and not give_up:
        raise UsageError(
            f"{one.name} is not passed yet",
            f"try: scalelab exercise hint {one.name}; or add --give-up to see it all the same",
        )
    print(one.solution.read_text(encoding="utf-8"), end="")


def reset(name: MaybeName = None) -> None:
    """Begin again: the file is as it was at first, yours is kept beside it."""
    one = _find(name)
    path = _file(one)
    if path.exists():
        aside = path.with_name(f"{path.stem}-{time.strftime('%Y%m%dT%H%M%S')}{path.suffix}")
        path.replace(aside)
        output.note(f"what you had is in {aside}")
    shutil.copyfile(one.stub, path)
    config.journal().exercised(one.lab, one.name, passed_unix_s=None, passed_sha256=None, hints=0)
    output.stdout().print(f"{path} is as it was at first", markup=False, soft_wrap=True)


def watch(name: MaybeName = None, runtime: options.Runtime = "auto") -> None:
    """Check your file whenever you save it, until it passes or you press Ctrl-C."""
    one = _find(name)
    path, seen = _file(one), 0.0
    output.note(f"watching {path}; Ctrl-C ends it")
    while True:
        changed = path.stat().st_mtime if path.exists() else seen
        if changed == seen:
            time.sleep(_WATCH_S)
            continue
        seen = changed
        try:
            _check(one, path, None, runtime)
        except (AnswerFailed, Inconclusive) as failed:
            output.stderr().print(f"[bold red]not yet:[/] {failed.message}", highlight=False)
        else:
            return


# --- private -------------------------------------------------------------------------------------


def _check(one: Exercise, path: Path, seed: int | None, runtime: str) -> None:
    import random

    from scalelab import catalog
    from scalelab.grading.exam import Exam
    from scalelab.grading.sandbox import Sandbox

    if seed is None:
        seed = random.SystemRandom().randrange(_SEEDS)
    chosen, _ = config.choose_runtime(runtime, [catalog.topology("single")])
    checked = _digest(path)
    console = output.stdout()
    console.print(f"[bold]{one.name}[/] · {chosen} · seed {seed}")
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[green]✓[/] {text}", highlight=False)

    try:
        with (
            Sandbox(path) as learner,
            Exam(one.name, learner, seed, config.clusters(), chosen, say) as exam,
            output.stderr().status("checking …"),
        ):
            one.checker()(exam)
    except AnswerFailed as failed:
        hint = f"{failed.hint}; a hint: scalelab exercise hint {one.name}"
        raise AnswerFailed(failed.message, hint, failed.details) from failed
    except ScalelabError:
        raise
    except Exception as error:  # the checker's own, or a server's: not the learner's fault
        raise ScalelabError(
            f"the check itself broke: {type(error).__name__}: {error}",
            f"run it again with: --seed {seed}, and with --debug for the details",
        ) from error
    config.journal().exercised(
        one.lab, one.name, passed_unix_s=time.time(), passed_sha256=checked, seed=seed
    )
    console.print(
        f"[bold green]passed[/] in {time.monotonic() - began:.0f} s; how we did it: "
        f"scalelab exercise solution {one.name}; go on with: scalelab exercise next",
        soft_wrap=True,
        highlight=False,
    )


def _all() -> dict[str, Exercise]:
    from scalelab import catalog, course
    from scalelab.grading import exercise

    order = [topic.name for module in course.modules() for topic in module.topics]
    return exercise.find(catalog.lab_folders(), order)


def _find(name: str | None) -> Exercise:
    """The exercise of this name, or the one started last that is not passed."""
    known = _all()
    if name is not None:
        if name not in known:
            raise UnknownName("exercise", name, known)
        return known[name]
    begun = [one for one in known.values() if _state(one) == "started"]
    if not begun:
        raise UsageError("no exercise is begun", "begin one with: scalelab exercise next")
    return max(begun, key=lambda one: float(_kept(one).get("started_unix_s", 0)))


def _kept(one: Exercise) -> Mapping[str, Any]:
    return config.journal().exercise(one.lab, one.name)


def _state(one: Exercise) -> str:
    kept = _kept(one)
    if kept.get("passed_unix_s"):
        return "passed"
    return "started" if kept.get("file") else "not started"


def _row(one: Exercise) -> dict[str, Any]:
    kept = _kept(one)
    return {
        "name": one.name,
        "lab": one.lab,
        "title": one.title,
        "state": _state(one),
        "file": kept.get("file"),
        "hints_seen": int(kept.get("hints", 0)),
    }


def _file(one: Exercise) -> Path:
    path = _kept(one).get("file")
    if not path:
        raise UsageError(f"{one.name} is not begun", f"scalelab exercise start {one.name}")
    return Path(path)


def _digest(path: Path) -> str | None:
    """What tells this file from a changed one; None when there is none."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _put(one: Exercise, folder: Path) -> Path:
    """Put the stub into the learner's folder; a file that is there already is theirs."""
    path = folder / f"{one.name.replace('-', '_')}{one.stub.suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            output.note(f"{path} is there already and stays as it is")
        else:
            shutil.copyfile(one.stub, path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", "name another folder with --folder"
        ) from None
    return path


def _show(text: str) -> None:
    from rich.markdown import Markdown

    output.stdout().print(Markdown(text))
