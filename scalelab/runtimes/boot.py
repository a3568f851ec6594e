"""The boot script: one small shell program that serves every runtime."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from scalelab.model import Launch, Place


def files(launch: Launch, place: Place, *, prepared: bool) -> Mapping[str, str]:
    """What is put into the node's ``conf_dir``, by file name, the boot script included.

    Parameters
    ----------
    prepared : the node is; what only its preparation needs is not put back.
    """
    return {
        **launch.files,
        **({} if prepared else launch.once),
        "boot.sh": script(launch, place),
    }


def script(launch: Launch, place: Place) -> str:
    """Render a launch as a POSIX shell script.

    It prepares the node once (an interrupted preparation starts over on an empty data folder)
    and then becomes the server, so that the server keeps the script's pid and gets its signals.

    Parameters
    ----------
    launch : what to run.
    place : where; its folders are the server's own view.

    Returns
    -------
    The script's text. It holds no secret: those are in the launch's files.
    """
    data, marker = shlex.quote(place.data_dir), shlex.quote(f"{place.conf_dir}/prepared")
    lines = ["set -eu", "umask 077"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(launch.env.items())]
    lines += [f"rm -f {shlex.quote(path)}" for path in launch.stale]
    if launch.rejoin:
        rejoin = " && ".join(shlex.join(command) for command in launch.rejoin)
        lines.append(f"if [ -f {marker} ]; then {rejoin} || rm -f {marker}; fi")
    lines += [
        f"if [ ! -f {marker} ]; then",
        f"  mkdir -p {data}",
        # The folder itself may be a mount point: empty it, never remove it.
        f"  find {data} -mindepth 1 -delete",
        *(f"  {shlex.join(command)}" for command in launch.prepare),
        f"  : > {marker}",
        "fi",
        f"exec {shlex.join(launch.run)}",
    ]
    return "\n".join(lines) + "\n"
