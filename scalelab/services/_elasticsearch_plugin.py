"""Our analysis plugin: compiled from source against the server it is for, never kept compiled.

The server from Maven has few analyzers. The plugin gives it those that the labs use, by the names a
full server uses, so that one mapping works on both.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from scalelab.errors import EnvironmentLacks

NAME = "scalelab-analysis"

_SOURCES = Path(__file__).parent / "elasticsearch_plugin"
_MARK = "digest"
# What a class is called in a mapping, and which kind of thing it is.
_COMPONENT = re.compile(
    r'@NamedComponent\("(?P<name>\w+)"\)\s.*?class (?P<class>\w+) implements (?P<kind>\w+)',
    re.DOTALL,
)


def installed(home: Path, version: str) -> bool:
    """Whether the server in ``home`` has this plugin, compiled from the sources as they are now."""
    try:
        return (home / "plugins" / NAME / _MARK).read_text() == _digest(version)
    except FileNotFoundError:
        return False


def install(home: Path, version: str, java: Path) -> None:
    """Compile the plugin with ``java`` (a JDK's home) and put it into the server in ``home``.

    It is there complete or not at all, in place of an older one.

    Raises
    ------
    EnvironmentLacks : this Java has no compiler, or the sources do not fit the server.
    """
    plugins = home / "plugins"
    plugins.mkdir(exist_ok=True)
    # Beside the server, not in plugins/: whatever is there is loaded.
    with tempfile.TemporaryDirectory(prefix=".plugin-", dir=home) as scratch:
        made = Path(scratch) / NAME
        made.mkdir()
        classes = Path(scratch) / "classes"
        _compile(home, java, classes)
        _pack(classes, made / f"{NAME}.jar")
        (made / "named_components.json").write_text(json.dumps(components(), indent=1))
        descriptor = (_SOURCES / "stable-plugin-descriptor.properties").read_text()
        text = descriptor.replace("${version}", version)
        (made / "stable-plugin-descriptor.properties").write_text(text)
        (made / _MARK).write_text(_digest(version))
        shutil.rmtree(plugins / NAME, ignore_errors=True)
        made.rename(plugins / NAME)


def components() -> Mapping[str, Mapping[str, str]]:
    """The classes by the names that mappings use, for each kind of thing."""
    found: dict[str, dict[str, str]] = {}
    for source in _sources():
        if match := _COMPONENT.search(source.read_text()):
            kind = f"org.elasticsearch.plugin.analysis.{match['kind']}"
            found.setdefault(kind, {})[match["name"]] = f"scalelab.analysis.{match['class']}"
    return found


def _sources() -> list[Path]:
    return sorted((_SOURCES / "src").glob("*.java"))


def _digest(version: str) -> str:
    digest = hashlib.sha256(version.encode())
    for source in (*_sources(), _SOURCES / "stable-plugin-descriptor.properties"):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _compile(home: Path, java: Path, classes: Path) -> None:
    jars = os.pathsep.join(str(jar) for jar in sorted((home / "lib").glob("*.jar")))
    # The compiler is a module of Java itself; a command `javac` is not always there with it.
    compiler = [str(java / "bin" / "java"), "-m", "jdk.compiler/com.sun.tools.javac.Main"]
    options = ["--release", "17", "-proc:none", "-encoding", "UTF-8", "-d", str(classes)]
    command = [*compiler, *options, "-cp", jars, *map(str, _sources())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise EnvironmentLacks(
            f"the analysis plugin could not be compiled with {java}",
            "the analyzers need a full JDK, 17 or later: set JAVA_HOME to one",
            (done.stdout + done.stderr).splitlines()[:5],
        )


def _pack(classes: Path, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(classes.rglob("*.class")):
            # The same classes give the same bytes, so that an image's layer is used again.
            entry = zipfile.ZipInfo(path.relative_to(classes).as_posix())
            target.writestr(entry, path.read_bytes())
