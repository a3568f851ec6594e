"""lab verify: do the labs' claims hold on this machine?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import options, output, running
from scalelab.errors import CheckFailed, EnvironmentLacks, Inconclusive, ScalelabError

if TYPE_CHECKING:
    from rich.table import Table

    from scalelab.model import ClaimResult


@dataclass(frozen=True)
class _Verified:
    """A lab's claims as one run judges them, or why it could not be run.

    Parameters
    ----------
    run : the name of the kept run, None when it is not kept.
    """

    lab: str
    run: str | None = None
    claims: tuple[ClaimResult, ...] = ()
    problem: ScalelabError | None = None


def verify(
    labs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Which labs. Default: all of the course.", autocompletion=options.complete_lab
        ),
    ] = None,
    rounds: options.Rounds = None,
    duration: options.Duration = None,
    workers: options.Workers = None,
    seed: options.Seed = 42,
    runtime: options.Runtime = "auto",
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    json: options.Json = False,
) -> None:
    """Run labs and judge their claims on this machine.

    Variants that no claim speaks of are left out, rounds are as many and as long as the claims
    need, and only where claims speak of full caches a variant is rehearsed until it is steady;
    elsewhere once.
    """
    from scalelab import catalog
    from scalelab.measure import claims
    from scalelab.model import Budget

    names = list(dict.fromkeys(_with_experiments(labs))) if labs else _course()
    known = {name: catalog.lab(name) for name in names} if labs else {}
    options.budget(cpus, memory, usual=Budget())  # what is wrong with them is said at once
    done: list[_Verified] = []
    for number, name in enumerate(names, start=1):
        output.note(f"lab {number} of {len(names)}: {name}")
        try:
            found = known.get(name) or catalog.lab(name)
            plan = running.Plan(
                name=name,
                lab=found,
                variants=claims.variants(found),
                load=running.load(
                    found,
                    duration=duration or claims.slice_s(found),
                    seed=seed,
                    workers=workers or 1,
                    quick=False,
                ),
                rounds=running.rounds(rounds, False, found, claims.rounds(found)),
                quick=False,
                runtime=runtime,
                budget=options.budget(cpus, memory, usual=catalog.budget(found)),
                workers=workers,
                brief=not claims.of_warmth(found),
            )
            result = running.run(plan)
        except ScalelabError as error:
            # The others are still worth knowing.
            output.note(f"{name} could not be run: {error.message}")
            done.append(_Verified(name, problem=error))
        else:
            done.append(_Verified(name, running.keep(result), result.claims))
    if json:
        output.document("scalelab.verify", 1, {"labs": [_row(each) for each in done]})
    else:
        output.stdout().print(_table(done))
    _conclude(done)


def _course() -> list[str]:
    """Every lab of the course there is; a broken one is tried, and fails."""
    from scalelab import course

    return _with_experiments(
        topic.name
        for module in course.modules()
        if module.title != course.OWN
        for topic in module.topics
        if topic.state != course.PLANNED
    )


def _with_experiments(names: Iterable[str]) -> list[str]:
    """A lab stands for itself and its experiments, an experiment for itself."""
    from scalelab import catalog

    found: list[str] = []
    for name in names:
        found.append(name)
        if name in catalog.lab_folders():
            found += catalog.experiments(name)
    return found


def _conclude(done: list[_Verified]) -> None:
    """End with the exit code the claims call for, the gravest first."""
    hint = "the figures are above"
    if refuted := _with(done, "refuted"):
        raise CheckFailed(f"refuted here: {'; '.join(refuted)}", hint)
    problems = [each for each in done if each.problem]
    if problems:
        lacks = all(isinstance(each.problem, EnvironmentLacks) for each in problems)
        kind = EnvironmentLacks if lacks else CheckFailed
        said = "; ".join(f"{each.lab}: {each.problem}" for each in problems)
        raise kind(
            f"could not be run: {said}", problems[0].problem.hint if problems[0].problem else ""
        )
    if open_ := _with(done, "inconclusive"):
        raise Inconclusive(
            f"not settled: {'; '.join(open_)}", "run more rounds: --rounds 20, or --duration 10"
        )


def _with(done: list[_Verified], outcome: str) -> list[str]:
    return [
        f"{each.lab}: {claim.text}"
        for each in done
        for claim in each.claims
        if claim.outcome == outcome
    ]


def _row(each: _Verified) -> dict[str, Any]:
    problem = each.problem
    return {
        "lab": each.lab,
        "run": each.run,
        "claims": [
            {"text": claim.text, "outcome": claim.outcome, "figure": claim.figure}
            for claim in each.claims
        ],
        "problem": {"message": problem.message, "hint": problem.hint} if problem else None,
    }


def _table(done: list[_Verified]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from scalelab.report.sentences import MARKS, UNKNOWN

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("lab", no_wrap=True)
    for header in ("claim", "outcome", "figure"):
        table.add_column(header, overflow="fold")
    for each in done:
        rows = [(claim.text, claim.outcome, claim.figure) for claim in each.claims]
        if each.problem:
            rows = [("", "not run", each.problem.message)]
        for number, (claim, outcome, figure) in enumerate(rows or [("no claims", "", "")]):
            mark, style = MARKS.get(outcome, UNKNOWN)
            said = Text.assemble((mark, style), f" {outcome}") if outcome else Text()
            table.add_row(Text("" if number else each.lab), Text(claim), said, Text(figure))
    return table
