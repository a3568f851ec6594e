"""``bench --aa``: a variant against itself, to see what is noise here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scalelab.cli import running
from scalelab.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from scalelab.model import RunResult


def plan(asked: running.Plan) -> running.Plan:
    """The same plan with its first variant twice, on one cluster, and nothing claimed of it.

    The run has a name of its own, so that it is never compared with the lab's.
    """
    first = asked.variants[0]
    twice = (first, replace(first, name=f"{first.name} again"))
    title = f"{asked.lab.title}: {first.name} against itself"
    lab = replace(asked.lab, title=title, variants=twice, claims=(), predictions=())
    return replace(asked, name=f"{asked.name}-aa", lab=lab, variants=twice, aa=True)


def only(names: list[str]) -> None:
    """Raise UsageError where several variants were named to be run against themselves."""
    if len(names) > 1:
        raise UsageError(
            f"--aa runs one variant against itself, not {len(names)}",
            f"name one of them: --variants {names[0]}",
        )


def judge(result: RunResult) -> None:
    """Raise CheckFailed where the run found a difference, for there is none."""
    found = result.summaries[1].comparison
    if found is None or found.verdict not in ("faster", "slower"):
        return
    bounds = f"{found.ratio:.2f}x [{found.low:.3f}, {found.high:.3f}]"
    raise CheckFailed(
        f"{result.summaries[0].name} differs from itself, {bounds}: what a run finds here may be "
        "noise",
        "one A/A run in twenty does by chance; if another does too, quiet the machine, or measure "
        f"longer: --duration {max(10, 2 * result.load.duration_s):g}",
    )
