"""lab run: predict first, then measure, then see how far off one was."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import bench, config, lab_show, options, output, running
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from scalelab.measure.predictions import Compared
    from scalelab.model import Lab, Prediction, RunResult

_Answer = tuple["Prediction", float]


def run(
    lab: Annotated[str, typer.Argument(help="Which lab.", autocompletion=options.complete_lab)],
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask no predictions.")] = False,
    quick: options.Quick = False,
    rounds: options.Rounds = None,
    duration: options.Duration = None,
    workers: options.Workers = None,
    seed: options.Seed = 42,
    runtime: options.Runtime = "auto",
    cpus: options.Cpus = None,
    memory: options.Memory = None,
) -> None:
    """Run a lab as a learner: predict, measure, compare."""
    from scalelab import catalog
    from scalelab.report import table

    found = catalog.lab(lab)
    plan = running.Plan(
        name=lab,
        lab=found,
        variants=found.variants,
        load=running.load(found, duration=duration, seed=seed, workers=workers or 1, quick=quick),
        rounds=running.rounds(rounds, quick, found),
        quick=quick,
        runtime=runtime,
        budget=options.budget(cpus, memory, usual=catalog.budget(found)),
        workers=workers,
    )
    _introduce(lab, found)
    answers = _ask(found.predictions, no_input)
    journal, at = config.journal(), time.time()
    if answers:
        journal.predicted(lab, at, [_asked(*answer) for answer in answers])
    result = running.run(plan)
    kept = running.keep(result)
    console = output.stdout()
    console.print(table.render(result, console.width))
    if answers:
        came_out(answers, result, lambda outcomes: journal.came_out(lab, at, kept, outcomes))
    _next(lab)
    bench.judge(found, result, [])


def came_out(
    answers: Sequence[_Answer],
    result: RunResult,
    keep: Callable[[list[Mapping[str, Any]]], None],
) -> None:
    """Say how each answered prediction came out, or why this run cannot tell.

    Parameters
    ----------
    keep : given what came out of each, in the order of the answers, to be written down.
    """
    from scalelab.measure import predictions
    from scalelab.report import predicted

    seconds = result.load.duration_s
    compared = [predictions.compare(*answer, result.summaries, seconds) for answer in answers]
    keep([_outcome(each) for each in compared])
    output.stdout().print(predicted.render(compared))


def _introduce(name: str, lab: Lab) -> None:
    from rich.text import Text

    console = output.stdout()
    console.print(Text.assemble((name, "bold"), f": {lab.question}\n"))
    console.print(lab_show.picture(lab))
    console.print()


def _ask(predictions: Sequence[Prediction], no_input: bool) -> list[_Answer]:
    """The learner's answers; those skipped are not in it."""
    if not predictions:
        return []
    if no_input or not sys.stdin.isatty():
        why = "--no-input" if no_input else "not a terminal"
        output.note(f"{why}: predictions are not asked; the guide has them (scalelab lab show)")
        return []
    from scalelab.measure.predictions import unit

    output.note("What do you expect? Answer with a number; Enter skips.")
    answers: list[_Answer] = []
    for number, prediction in enumerate(predictions, start=1):
        text = f"{number}. {prediction.text} [{unit(prediction) or 'number'}] "
        try:
            answer = _answer(text, unit(prediction))
        except EOFError:  # Ctrl-D: no more answers
            output.stderr().print()
            break
        if answer is not None:
            answers.append((prediction, answer))
    return answers


def _answer(question: str, unit: str) -> float | None:
    """One answer, asked for until it is a number or nothing."""
    from scalelab.measure import predictions

    while True:
        output.stderr().print(question, end="", markup=False)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        if not line.strip():
            return None
        try:
            return predictions.read(line, unit)
        except UsageError as error:
            output.note(f"{error.message}: {error.hint}, or Enter to skip")


def _asked(prediction: Prediction, answer: float) -> dict[str, Any]:
    from scalelab.measure.predictions import unit

    return {
        "text": prediction.text,
        "variant": prediction.variant,
        "metric": prediction.metric,
        "unit": unit(prediction),
        "answer": answer,
    }


def _outcome(each: Compared) -> dict[str, Any]:
    told = {
        "text": each.prediction.text,
        "figure": each.figure,
        "low": each.low,
        "high": each.high,
        "outcome": each.outcome,
    }
    return {**told, "why": each.why} if each.why else told


def _next(name: str) -> None:
    from scalelab import catalog, course
    from scalelab.grading import exercise

    output.note(f"what it means: scalelab lab show {name} (What you saw, Why)")
    found = exercise.find(catalog.lab_folders(), ()).values()
    if tasks := [one.name for one in found if one.lab == name]:
        output.note(f"exercises of this lab: {', '.join(tasks)}; scalelab exercise start NAME")
    if topic := course.next_after(name):
        output.note(f"next in the course: scalelab lab run {topic.name} ({topic.title})")
