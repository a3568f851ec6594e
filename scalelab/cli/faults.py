"""fault: one command a kind (kill, slow, ...); list what is on; heal it."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from scalelab.cli import config, options, output
from scalelab.errors import INTERRUPTED

if TYPE_CHECKING:
    from scalelab.injection import Injected
    from scalelab.model import ActiveFault, FaultOption, Reading
    from scalelab.protocols import Fault

_LEAST_S, _MOST_S = 0.5, 86_400.0
_FLAG = "flag"


def register(app: typer.Typer) -> None:
    """Add this module's command group: a command for each kind of fault, and two more."""
    group = typer.Typer(
        cls=_Kinds,
        no_args_is_help=True,
        help="Break a node or a link, prove it, and heal it again.",
    )
    group.command("list")(list_faults)
    group.command()(heal)
    app.add_typer(group, name="fault")


class _Kinds(TyperGroup):
    """Looks for the kinds of fault when they are asked for: the help of all else needs none."""

    @functools.cached_property
    def _kinds(self) -> dict[str, Any]:
        from scalelab import catalog

        made = typer.Typer()
        for kind, way in catalog.faults.items():
            made.command(kind.replace("_", "-"), help=way.summary)(_command(kind, way))
        return dict(get_group(made).commands)

    @property
    def commands(self) -> MutableMapping[str, Any]:
        return {**self._kinds, **self._others}

    @commands.setter
    def commands(self, others: MutableMapping[str, Any]) -> None:
        self._others = others


def _command(kind: str, way: Fault) -> Callable[..., None]:
    """The command of one kind, with the options it declares."""

    def run(target: str, lasting: str | None, name: str | None, json: bool, **given: Any) -> None:
        _inject(kind, way, target, lasting, name, json, given)

    what = (
        "A link such as replica1--primary or client--NODE; NODE alone is its clients' link."
        if way.on_link
        else "Which node."
    )
    parameters = {
        "target": (Annotated[str, typer.Argument(help=what, autocompletion=_complete(way))], ...),
        **{each.name: (_option(each), _default(each)) for each in way.options},
        "lasting": (
            Annotated[
                str | None,
                typer.Option("--for", metavar="TIME", help="Wait, then heal it: 10s, 1.5s, 2m."),
            ],
            None,
        ),
        "name": (options.Name, None),
        "json": (options.Json, False),
    }
    run.__annotations__ = {key: kind for key, (kind, _) in parameters.items()}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=annotation,
                default=inspect.Parameter.empty if default is ... else default,
            )
            for key, (annotation, default) in parameters.items()
        ]
    )
    return run


def _option(option: FaultOption) -> Any:
    flag = f"--{option.name.replace('_', '-')}"
    if option.unit == _FLAG:
        return Annotated[bool, typer.Option(flag, help=option.help)]
    metavar = {"duration": "TIME", "rate": "BYTES/S"}[option.unit]
    return Annotated[str, typer.Option(flag, metavar=metavar, help=option.help)]


def _default(option: FaultOption) -> bool | str:
    from scalelab import units

    if option.unit == _FLAG:
        return bool(option.default)
    show = units.brief if option.unit == "duration" else units.rate
    return show(option.default).replace(" ", "")


def _complete(way: Fault) -> Callable[[str], list[str]]:
    return options.complete_link if way.on_link else options.complete_node


def _value(option: FaultOption, given: Any) -> float:
    from scalelab import units

    flag = f"--{option.name.replace('_', '-')}"
    if option.unit == _FLAG:
        return float(given)
    return units.quantity(option.unit, given, flag)


def _inject(
    kind: str,
    way: Fault,
    target: str,
    lasting: str | None,
    name: str | None,
    json: bool,
    given: dict[str, Any],
) -> None:
    from scalelab import units

    for_s = None if lasting is None else units.seconds(lasting, "--for", _LEAST_S, _MOST_S)
    values = {option.name: _value(option, given[option.name]) for option in way.options}
    injector = config.injector()
    with output.stderr().status(f"{kind} of {target} …"):
        done = injector.inject(name, kind, target, values, for_s)
    if for_s is not None:
        _wait_and_heal(done, json)
    elif json:
        output.document("scalelab.fault", 1, _document(done))
    else:
        _print_injected(done)
        output.stdout().print(f"heal it with: scalelab fault heal {done.fault.id}")


def _wait_and_heal(done: Injected, json: bool) -> None:
    """Stay until the fault's time is over (or Ctrl-C), then heal it."""
    from dataclasses import replace

    injector, interrupted = config.injector(), False
    end = done.fault.until or 0.0
    try:
        if not json:
            _print_injected(done)
        with output.stderr().status("") as status:
            while (left := end - time.time()) > 0:
                status.update(f"{left:.0f} s until it is healed; Ctrl-C heals it now")
                time.sleep(min(left, 0.2))
    except KeyboardInterrupt:
        interrupted = True
    healed = injector.heal(done.cluster, done.fault)
    if json:
        output.document(
            "scalelab.fault", 1, _document(replace(done, healed=healed.healed if healed else None))
        )
    elif healed is None:
        output.stdout().print("it was healed meanwhile, by another command")
    else:
        _print_healed(healed, time.time() - done.fault.created)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def list_faults(name: options.Name = None, json: options.Json = False) -> None:
    """Show the faults that are on."""
    clusters = config.clusters()
    found = [clusters.find(name)] if name is not None else clusters.all()[0]
    on = [(cluster.name, fault) for cluster in found for fault in cluster.faults]
    if json:
        faults = [{"cluster": cluster, **fault_document(fault)} for cluster, fault in on]
        output.document("scalelab.faults", 1, {"faults": faults})
        return
    if not on:
        output.stdout().print("no fault is on")
    for cluster, fault in on:
        output.stdout().print(f"{cluster}: {fault_text(fault)}", soft_wrap=True, markup=False)


def heal(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|TARGET]",
            help="Which fault. Default: the only one.",
            autocompletion=options.complete_fault,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are on.")] = False,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Undo faults and show that they are undone."""
    from scalelab.errors import UsageError

    if what is not None and everything:
        raise UsageError("a fault and --all exclude each other", "leave one of them out")
    injector = config.injector()
    done = []
    for cluster, fault in injector.chosen(name, what, everything):
        with output.stderr().status(f"healing {fault.word} of {fault.target} …"):
            healed = injector.heal(cluster, fault)
        if healed is not None:
            done.append(healed)
            if not json:
                _print_healed(healed, time.time() - fault.created)
    if json:
        output.document("scalelab.faults", 1, {"faults": [_document(each) for each in done]})
    elif not done:
        output.stdout().print("no fault was on")


# --- showing -------------------------------------------------------------------------------------


def fault_text(fault: ActiveFault) -> str:
    """ "f1 slow client--primary (50 ms added to a round trip), 8 s left" """
    from scalelab import catalog

    words = catalog.faults[fault.kind].words(fault)
    left = "until healed"
    if fault.until is not None:
        left = f"{max(0.0, fault.until - time.time()):.0f} s left"
    return f"{fault.id} {fault.word} {fault.target} ({words}), {left}"


def fault_document(fault: ActiveFault) -> dict[str, Any]:
    """A fault that is on, for a JSON document; durations in s, rates in bytes per s."""
    from scalelab import catalog

    units_of = {"duration": "_s", "rate": "_bytes_per_s", _FLAG: ""}
    known = {option.name: option for option in catalog.faults[fault.kind].options}
    return {
        "id": fault.id,
        "kind": fault.word,
        "target": fault.target,
        "link": fault.link or None,
        "inverse": fault.inverse,
        "options": {
            name + units_of[known[name].unit]: bool(value) if known[name].unit == _FLAG else value
            for name, value in fault.options.items()
        },
        "created": fault.created,
        "until": fault.until,
    }


def _document(done: Injected) -> dict[str, Any]:
    measured = {"before": done.before, "during": done.during, "healed": done.healed}
    return {
        "cluster": done.cluster,
        **fault_document(done.fault),
        "measured": {
            moment: None if reading is None else _reading(reading)
            for moment, reading in measured.items()
        },
    }


def _reading(reading: Reading) -> dict[str, Any]:
    free = {} if reading.free is None else {"free_bytes": reading.free}
    return {reading.key: reading.value, **free, **({"said": reading.said} if reading.said else {})}


def _print_injected(done: Injected) -> None:
    from scalelab import catalog
    from scalelab.injection import figure

    fault, console = done.fault, output.stdout()
    words = catalog.faults[fault.kind].words(fault)
    console.print(f"{fault.word} {fault.target} is on ({fault.id}): {words}", markup=False)
    if done.before and done.during:
        was, now = figure(done.before), figure(done.during)
        console.print(f"  {done.before.what}: {was} before, {now} now", markup=False)
    if fault.link.startswith("client--"):
        node = fault.link.partition("--")[2]
        listen = config.clusters().find(done.cluster).seen().places[node].client
        console.print(f"  clients reach {node} at {listen} now (scalelab url {node})", markup=False)
        console.print("  connections that were open before stay as they are, without the fault")


def _print_healed(done: Injected, after_s: float) -> None:
    from scalelab import units
    from scalelab.injection import figure

    fault, reading = done.fault, done.healed
    console = output.stdout()
    after = units.brief(after_s)
    console.print(f"{fault.word} {fault.target} is healed; it was on for {after}", markup=False)
    if reading is not None:
        console.print(f"  {reading.what}: {figure(reading)} now", markup=False)
