"""Makes the offline images: the servers of this machine, laid out as in the official images."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import ImageNotFound

from scalelab.errors import EnvironmentLacks
from scalelab.protocols import Service
from scalelab.runtimes.daemon import connect, translated
from scalelab.runtimes.image_recipes import RECIPES, Recipe

Progress = Callable[[str], None]

_SLIM = "debian:bookworm-slim"
_MADE = "scalelab/base:bookworm"
_MACHINES = {62: "amd64", 183: "arm64"}  # ELF's numbers of what Docker calls an architecture


def build(services: Mapping[str, Service], base: str | None, progress: Progress) -> tuple[str, ...]:
    """Make every offline image whose server is on this machine, without any network.

    Parameters
    ----------
    services : where the servers are found, by name.
    base : an image to build on; None takes a Debian bookworm that is there, or makes one.
    progress : is given one line a step, and one for an image that is left out.

    Returns
    -------
    The names of the images made.

    Raises
    ------
    EnvironmentLacks : no daemon, no base, no server at all, or servers not for Linux.
    """
    client = connect()
    try:
        found = {}
        for recipe in RECIPES:
            try:
                found[recipe] = _contents(recipe, services[recipe.service])
            except EnvironmentLacks as lack:
                progress(f"{recipe.tag} is left out: {lack.message} ({lack.hint})")
        if not found:
            raise EnvironmentLacks(
                "there is no server here to make an image of",
                "install them with: pip install 'scalelab[local]'",
            )
        base = base or _base(client, progress)
        for recipe, contents in found.items():
            progress(f"building {recipe.tag} on {base}")
            _build(client, recipe, contents, base)
    finally:
        client.close()
    return tuple(recipe.tag for recipe in found)


def recipes_folder() -> Path:
    """The Dockerfiles: in the installed package, or in the repository it is developed in."""
    package = Path(__file__).parents[1]
    for folder in (package / "images", package.parent / "compose" / "images"):
        if (folder / "postgres" / "Dockerfile").is_file():
            return folder
    raise EnvironmentLacks(
        "the image recipes are missing from this installation", "reinstall scalelab"
    )


def _base(client: DockerClient, progress: Progress) -> str:
    with translated("looking for a base image"):
        for name in (_SLIM, _MADE):
            try:
                client.images.get(name)
            except ImageNotFound:
                continue
            return name
    debootstrap = shutil.which("debootstrap")
    if debootstrap is None:
        raise EnvironmentLacks(
            f"there is no image to build on: neither {_SLIM} nor {_MADE}",
            "name one with --base, or install debootstrap and run this as root",
        )
    with tempfile.TemporaryDirectory(prefix="scalelab-base-") as folder:
        progress(f"making {_MADE} with debootstrap; this takes some minutes")
        done = subprocess.run(
            [debootstrap, "--variant=minbase", "bookworm", folder], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise EnvironmentLacks(
                "debootstrap failed",
                "run this as root, with a Debian mirror in reach, or name an image with --base",
                (done.stdout + done.stderr).splitlines()[-5:],
            )
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(folder, arcname=".")
            archive.seek(0)
            with translated("importing the base image"):
                repository, _, tag = _MADE.partition(":")
                client.api.import_image_from_data(archive, repository=repository, tag=tag)
    return _MADE


def _build(client: DockerClient, recipe: Recipe, contents: Mapping[Path, str], base: str) -> None:
    _check_architecture(client, recipe, contents)
    with tempfile.TemporaryFile() as context:
        _write_context(context, recipe, contents)
        context.seek(0)
        with translated(f"building {recipe.tag}"):
            answers = client.api.build(
                fileobj=context,
                custom_context=True,
                tag=recipe.tag,
                buildargs={"BASE": base},
                network_mode="none",
                rm=True,
                forcerm=True,
                decode=True,
            )
            # Read to the end: an answer left half read keeps its connection open.
            _raise_failure(recipe, base, list(answers))


def _contents(recipe: Recipe, service: Service) -> Mapping[Path, str]:
    binaries = service.binaries().split(os.pathsep)
    contents = recipe.contents([Path(folder) for folder in binaries])
    for source in contents:
        if not source.exists():
            raise EnvironmentLacks(f"{source} is missing", f"install {recipe.service} anew")
    return contents


def _check_architecture(client: DockerClient, recipe: Recipe, contents: Mapping[Path, str]) -> None:
    with _source(recipe.program, contents).open("rb") as file:
        header = file.read(20)
    ours = ""
    if header[:4] == b"\x7fELF":
        ours = _MACHINES.get(int.from_bytes(header[18:20], "little"), "unknown")
    with translated("asking for the daemon's architecture"):
        daemon = str(client.version()["Arch"])
    if ours != daemon:
        what = f"for Linux on {ours}" if ours else "not for Linux"
        raise EnvironmentLacks(
            f"the installed servers are {what}, but the Docker daemon wants Linux on {daemon}",
            "build on a machine of that kind, or use the official images",
        )


def _source(path: str, contents: Mapping[Path, str]) -> Path:
    """What on this machine comes to be at ``path`` in the image; the last that could be."""
    found = Path()
    for source, destination in contents.items():
        if Path(path).is_relative_to(destination):
            found = source / Path(path).relative_to(destination)
    return found


def _write_context(target: IO[bytes], recipe: Recipe, contents: Mapping[Path, str]) -> None:
    # What links lead to is put in: Debian's Java keeps its settings in /etc.
    with tarfile.open(fileobj=target, mode="w", dereference=True) as tar:
        for path in sorted((recipes_folder() / recipe.name).iterdir()):
            _add(tar, path, path.name, recipe.skip)
        for source, destination in contents.items():
            _add(tar, source, destination, recipe.skip)


def _add(tar: tarfile.TarFile, source: Path, name: str, skip: frozenset[str]) -> None:
    if source.suffix == ".a" or source.name in skip or not source.exists():  # a link to nowhere
        return
    tar.add(source, name, recursive=False, filter=_for_all)
    if source.is_dir():
        for path in sorted(source.iterdir()):
            _add(tar, path, f"{name}/{path.name}", skip)


def _for_all(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    # The same files give the same bytes, so that the builder's cache is used again.
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    # Installed under a strict umask, they must still serve the image's own user.
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    return entry


def _raise_failure(recipe: Recipe, base: str, answers: Iterable[Mapping[str, object]]) -> None:
    lines: list[str] = []
    for answer in answers:
        lines += str(answer.get("stream", "")).splitlines()
        if "error" in answer:
            raise EnvironmentLacks(
                f"building {recipe.tag} on {base} failed: {answer['error']}",
                "try another base with --base (a Debian bookworm)",
                [line for line in lines if line.strip()][-5:],
            )
