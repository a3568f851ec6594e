"""The `scalelab` command: assembles the groups, and turns every error into two lines and a code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Annotated, Any

import typer

from scalelab.cli import (
    bench,
    clusters,
    compose,
    config,
    doctor,
    exercise,
    faults,
    images,
    lab,
    nodes,
    output,
    report,
    search,
    sync,
)
from scalelab.cli.output import DISK_FULL
from scalelab.errors import INTERRUPTED, ScalelabError, UsageError

# Typer comes with a Click of its own or uses the installed one: its public errors tell which.
_ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_DETAILS = "run it again with --debug for the details"

app = typer.Typer(
    name="scalelab",
    help="Bring up real data-system topologies, drive load at them, and see what scaling buys.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    clusters,
    nodes,
    bench,
    lab,
    exercise,
    faults,
    report,
    search,
    sync,
    doctor,
    compose,
    images,
):
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"scalelab {version('scalelab')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="SCALELAB_DEBUG", help="Show tracebacks.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    context.default_map = config.defaults(lambda: dict(_commands(context.command)))
    if context.invoked_subcommand != "down":  # which removes faults and all, and then looks
        for line in config.heal_due():
            output.note(line)


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every command that does something, "lab run" among them, with its options."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} ")
        else:
            yield f"{prefix}{name}", _long_options(command)


def _long_options(command: Any) -> dict[str, Any]:
    return {
        flag.removeprefix("--"): option
        for option in command.params
        for flag in option.opts
        if flag.startswith("--")
    }


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _second_interrupt_kills()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows few letters gets "?" for the others, not an error.
            stream.reconfigure(errors="replace")
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns the interrupt into a code and says nothing
            code = _report_interrupt()
    except _ClickError as error:
        code = _report_click(error)
    except (typer.Abort, KeyboardInterrupt):
        code = _report_interrupt()
    except ScalelabError as error:
        code = _report(error)
    except BrokenPipeError:
        # The reader of a pipe has had enough: not an error of ours, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        # What no seam translated: still a line that says what, not a traceback.
        hint = "free some disk space" if error.errno in DISK_FULL else _DETAILS
        code = _report(ScalelabError(f"{error}", hint), 4)
    except Exception as error:
        # A defect of ours. One line for the user; the traceback for who mends it.
        code = _report(ScalelabError(f"this should not happen: {error!r}", _DETAILS))
    sys.exit(code if isinstance(code, int) else 0)


def _report_interrupt() -> int:
    return _report(
        ScalelabError("interrupted", "see what is up with: scalelab status"), INTERRUPTED
    )


def _report_click(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return UsageError.exit_code
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "scalelab"
    return _report(UsageError(message[:1].lower() + message[1:], f"see: {command} --help"))


def _report(error: ScalelabError, code: int | None = None) -> int:
    from scalelab.cli.output import stderr

    wanted = "--debug" in sys.argv or os.environ.get("SCALELAB_DEBUG")
    if wanted and sys.exc_info()[0]:  # Typer may have turned it into a code
        stderr().print_exception()
    for line in error.details:
        stderr().print(f"  {line}", style="dim", markup=False, highlight=False)
    stderr().print(f"[bold red]error:[/] {_escape(error.message)}", highlight=False)
    if error.hint:
        stderr().print(f"[bold]do:[/] {_escape(error.hint)}", highlight=False)
    return error.exit_code if code is None else code


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _second_interrupt_kills() -> None:
    interrupted = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            # The ledger knows what is left; the next `down` removes it.
            os._exit(INTERRUPTED)
        if _in_finalizer(frame):
            # What is raised there is thrown away: it comes again when that is over.
            threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
            return
        interrupted = True
        # One that was just printing may keep to itself all that it is given from now on.
        output.renew()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
