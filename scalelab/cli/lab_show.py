"""lab show: a lab's guide, the picture of its topologies, its claims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import options, output
from scalelab.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scalelab.model import Lab, Variant


def show(
    lab: Annotated[str, typer.Argument(help="Which lab.", autocompletion=options.complete_lab)],
    json: options.Json = False,
) -> None:
    """Show a lab: its guide, its topologies as a picture, its claims."""
    from scalelab import catalog

    found = catalog.lab(lab)
    main, _, experiment = lab.partition("/")
    guide = "" if experiment else _guide(catalog.lab_folders()[main])
    experiments = [] if experiment else catalog.experiments(main)
    if json:
        content = {**_content(lab, found, guide), "experiments": experiments}
        output.document("scalelab.lab", 1, content)
        return
    from rich.console import Group
    from rich.markdown import Markdown
    from rich.text import Text

    heading = Text.assemble((lab, "bold"), f": {found.question}")
    shown: list[RenderableType] = [Markdown(guide)] if guide else [heading]
    shown += [Text(), Text("Topologies", style="bold"), Text(), picture(found)]
    if found.claims:
        shown += [Text(), Text("Claims", style="bold"), Text()]
        shown += [Text(f"- {claim.text}") for claim in found.claims]
    if experiments:
        shown += [Text(), Text("Experiments", style="bold"), Text()]
        shown += [Text(f"- {name}: {catalog.lab(name).question}") for name in experiments]
    output.stdout().print(Group(*shown))
    if not guide and not experiment:
        output.note(f"this lab has no guide yet: write {catalog.lab_folders()[lab] / 'README.md'}")


def picture(lab: Lab) -> RenderableType:
    """The topology of every variant, side by side where there is room."""
    from scalelab import catalog
    from scalelab.report.picture import Picture, Scene

    return Picture(
        [Scene(v.name, catalog.topology(v.topology, v.params), _caption(v)) for v in lab.variants]
    )


def _caption(variant: Variant) -> str:
    """Where it runs and what runs there: "replication replicas=2 · point_read_write"."""

    def listed(name: str, values: Mapping[str, object]) -> str:
        return " ".join([name, *(f"{key}={value}" for key, value in values.items())])

    workload = Path(variant.workload).stem
    larger = "" if variant.scale == 1 else f" · {variant.scale:g}x the budget"
    where = listed(variant.topology, variant.params)
    return f"{where} · {listed(workload, variant.options)}{larger}"


def _guide(folder: Path) -> str:
    """The text of the guide, empty where there is none."""
    try:
        return (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(
            f"{folder / 'README.md'} cannot be read: {error.strerror}", "look at the file"
        ) from None


def _content(name: str, lab: Lab, guide: str) -> dict[str, Any]:
    from dataclasses import asdict

    from scalelab import catalog

    variants = []
    for variant in lab.variants:
        topology = catalog.topology(variant.topology, variant.params)
        nodes = [
            {"name": n.name, "service": n.service, "role": n.role, "follows": n.follows}
            for n in topology.nodes
        ]
        full = {**asdict(variant), "params": dict(topology.params), "nodes": nodes}
        variants.append(full)
    return {
        "name": name,
        "title": lab.title,
        "question": lab.question,
        "counted": lab.counted,
        "clients": lab.clients,
        "guide": guide,
        "variants": variants,
        "claims": [asdict(claim) for claim in lab.claims],
        "predictions": [asdict(prediction) for prediction in lab.predictions],
    }
