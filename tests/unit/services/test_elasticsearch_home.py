"""Elasticsearch's home: what is named, what is fetched from a repository, and the Java for it."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from scalelab.errors import EnvironmentLacks
from scalelab.services import _elasticsearch_download as maven
from scalelab.services import _elasticsearch_home as home
from scalelab.services import _elasticsearch_java as java
from scalelab.services import _elasticsearch_plugin as plugin

NAME = f"elasticsearch-{maven.VERSION}"
PATH = f"/org/elasticsearch/distribution/integ-test-zip/elasticsearch/{maven.VERSION}/{NAME}.zip"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a home and a cache of its own, no Java and no Elasticsearch."""
    for name in ("ES_JAVA_HOME", "JAVA_HOME", home.VARIABLE, "M2_REPO", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def jdk(folder: Path, version: str, lacks: str = "") -> Path:
    """A Java that says it is one, and writes down that it was asked."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    modules = "\n".join(f"{name}@{version}" for name in sorted(java._MODULES) if name != lacks)
    program.write_text(
        f"#!/bin/sh\necho asked >> {folder}/log\n"
        f"echo '    java.home = {folder}\n    java.version = {version}\n{modules}'\n"
    )
    program.chmod(0o755)
    return folder


class TestJava:
    def test_the_first_that_fits_of_two_variables_and_the_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = jdk(tmp_path / "first", "21.0.1"), jdk(tmp_path / "second", "17.0.9")
        third = jdk(tmp_path / "third", "25")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "java").symlink_to(third / "bin" / "java")
        assert java.find() == java.Java(str(third), 25)
        monkeypatch.setenv("JAVA_HOME", str(second))
        assert java.find() == java.Java(str(second), 17)
        monkeypatch.setenv("ES_JAVA_HOME", str(first))
        assert java.find() == java.Java(str(first), 21)

    def test_an_old_one_and_an_incomplete_one_are_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ES_JAVA_HOME", str(jdk(tmp_path / "old", "11.0.2")))
        monkeypatch.setenv("JAVA_HOME", str(jdk(tmp_path / "part", "21", lacks="jdk.net")))
        with pytest.raises(EnvironmentLacks) as caught:
            java.find()
        assert caught.value.message == (
            f"Elasticsearch needs Java 17 or later: ES_JAVA_HOME: {tmp_path}/old is Java 11;"
            f" JAVA_HOME: {tmp_path}/part is no full JDK (it lacks jdk.net)"
        )
        assert "apt install openjdk-17" in caught.value.hint
        monkeypatch.setenv("PATH", str(jdk(tmp_path / "good", "17") / "bin"))
        assert java.find().home == str(tmp_path / "good")

    def test_none(self) -> None:
        with pytest.raises(EnvironmentLacks, match="17 or later: there is none"):
            java.find()

    def test_one_that_does_not_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (jdk(tmp_path / "broken", "17") / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "broken"))
        with pytest.raises(EnvironmentLacks, match="broken does not run"):
            java.find()
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "not there"))
        with pytest.raises(EnvironmentLacks, match="not there does not run"):
            java.find()

    def test_it_is_asked_once_and_again_when_it_has_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, good = jdk(tmp_path / "old", "11"), jdk(tmp_path / "good", "17")
        monkeypatch.setenv("ES_JAVA_HOME", str(old))
        monkeypatch.setenv("JAVA_HOME", str(good))
        for _ in range(3):
            assert java.find().home == str(good)
        assert (old / "log").read_text() == (good / "log").read_text() == "asked\n"
        os.utime(good / "bin" / "java", (1, 1))
        assert java.find().home == str(good)
        assert (good / "log").read_text() == "asked\n" * 2

    @pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', "\udcff"])
    def test_a_memory_that_is_damaged_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        java._memory().parent.mkdir(parents=True)
        java._memory().write_text(text, errors="surrogateescape")
        monkeypatch.setenv("JAVA_HOME", str(jdk(tmp_path / "good", "17")))
        assert java.find().version == 17


@dataclass
class Repository:
    """A Maven repository on loopback, and what it is asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: int = 0
    """After so many bytes of a file the connection ends; 0 for never."""
    ranges: bool = True
    lengths: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def publish(self, content: bytes, *kinds: str) -> None:
        self.files = {PATH: content}
        for kind in kinds:
            self.files[f"{PATH}.{kind}"] = hashlib.new(kind, content).hexdigest().encode()

    @property
    def archives(self) -> list[str]:
        """The ranges of the archive that were asked for."""
        return [line.partition(" ")[2] for line in self.asked if line.startswith(f"{PATH} ")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, repository: Repository, *arguments: object) -> None:
        self.repository = repository
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = self.headers.get("Range") or "all"
        self.repository.asked.append(f"{self.path} {asked}")
        content = self.repository.files.get(self.path)
        if content is None:
            self._head(404, 0)
            return
        start = 0
        if asked != "all" and self.repository.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._head(416, 0)
                return
        self._head(206 if start else 200, len(content) - start)
        cut = self.repository.cut
        if cut and self.path == PATH and len(content) - start > cut:
            self.wfile.write(content[start : start + cut])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        if self.repository.lengths:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def repository(user: Path) -> Iterator[Repository]:
    """A repository that the user's jgo settings name."""
    made = Repository()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, made))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    (user / ".config").mkdir()
    settings = f"[repositories]\ncentral = {made.url}\n"
    (user / ".config" / "jgo.conf").write_text(settings)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def _archive(version: str = maven.VERSION) -> bytes:
    """A distribution of few bytes that unpacks like a real one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, mode in (
            (f"{NAME}/lib/elasticsearch-{version}.jar", 0o644),
            (f"{NAME}/lib/empty", 0o644),
            (f"{NAME}/bin/elasticsearch", 0o755),
            (f"{NAME}/config/jvm.options", 0o600),
        ):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            target.writestr(entry, b"" if name.endswith("empty") else os.urandom(5000))
    return buffer.getvalue()


class TestDownload:
    CONTENT: ClassVar[bytes] = os.urandom(3_000_000)

    @pytest.fixture
    def part(self, tmp_path: Path) -> Path:
        return tmp_path / "archive.part"

    def test_whole_and_how_far_it_is(self, repository: Repository, part: Path) -> None:
        repository.publish(self.CONTENT, "sha512", "sha1")
        seen: list[tuple[int, int]] = []
        maven.download(maven.artifact(), part, lambda done, total: seen.append((done, total)))
        assert part.read_bytes() == self.CONTENT
        assert seen[0] == (0, 3_000_000)
        assert seen[-1] == (3_000_000, 3_000_000)
        assert seen == sorted(set(seen))
        assert not any(line.startswith(f"{PATH}.sha1") for line in repository.asked)

    def test_a_connection_that_breaks_is_taken_up_again(
        self, repository: Repository, part: Path
    ) -> None:
        repository.publish(self.CONTENT, "sha1")
        repository.cut = 1_000_000
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT
        first, *later = repository.archives
        starts = [int(line.removeprefix("bytes=").rstrip("-")) for line in later]
        assert first == "all"
        assert 0 < starts[0] <= 1_000_000 < starts[1]
        assert starts == sorted(set(starts))

    def test_what_another_process_has_left_is_gone_on_with(
        self, repository: Repository, part: Path
    ) -> None:
        repository.publish(self.CONTENT, "sha1")
        part.write_bytes(self.CONTENT[:7])
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert repository.archives == ["bytes=7-", "bytes=3000000-"]

    def test_a_server_that_knows_no_ranges_sends_it_all_again(
        self, repository: Repository, part: Path
    ) -> None:
        repository.publish(self.CONTENT, "sha1")
        repository.ranges = False
        part.write_bytes(b"something")
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT

    def test_a_server_that_does_not_tell_the_size(self, repository: Repository, part: Path) -> None:
        repository.publish(self.CONTENT, "sha512")
        repository.lengths = False
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT

    def test_without_jgo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jgo.config", None)
        with pytest.raises(EnvironmentLacks, match="is not installed") as caught:
            maven.artifact()
        assert "scalelab[local]" in caught.value.hint

    @pytest.mark.parametrize("kind", ["sha512", "sha1"])
    def test_what_has_another_checksum_is_refused_and_gone(
        self, repository: Repository, part: Path, kind: str
    ) -> None:
        repository.publish(self.CONTENT, kind)
        part.write_bytes(b"wrong")
        with pytest.raises(EnvironmentLacks, match="does not have the checksum"):
            maven.download(maven.artifact(), part, lambda done, total: None)
        assert not part.exists()
        maven.download(maven.artifact(), part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT

    def test_what_has_no_checksum_is_refused(self, repository: Repository, part: Path) -> None:
        repository.publish(self.CONTENT)
        with pytest.raises(EnvironmentLacks, match="without a checksum"):
            maven.download(maven.artifact(), part, lambda done, total: None)
        assert not part.exists()

    def test_another_repository_is_asked_after_one_that_lacks_it(
        self, repository: Repository, part: Path
    ) -> None:
        repository.publish(self.CONTENT, "sha1")
        wanted = maven.artifact()
        wanted.context.remote_repos = {"a": f"{repository.url}/other", "b": f"{repository.url}/"}
        maven.download(wanted, part, lambda done, total: None)
        assert part.read_bytes() == self.CONTENT

    def test_without_a_network_what_came_is_kept(self, repository: Repository, part: Path) -> None:
        wanted = maven.artifact()
        with pytest.raises(EnvironmentLacks, match="fetched: it is not there") as caught:
            maven.download(wanted, part, lambda done, total: None)
        assert "is there a network?" in caught.value.hint
        wanted.context.remote_repos = {"a": "http://127.0.0.1:9"}
        part.write_bytes(b"some")
        with pytest.raises(EnvironmentLacks, match="the connection failed") as caught:
            maven.download(wanted, part, lambda done, total: None)
        assert caught.value.hint.startswith("again goes on where this ended")
        assert part.read_bytes() == b"some"


def distribution(folder: Path, version: str, *more: str) -> Path:
    """A folder that looks like a distribution."""
    for name in (f"lib/elasticsearch-{version}.jar", "bin/elasticsearch", *more):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    return folder


class TestNamed:
    def test_a_full_one_brings_its_java(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = ("modules/analysis-common/x.jar", "jdk/bin/java")
        folder = distribution(tmp_path / "full", "9.1.0", *more)
        monkeypatch.setenv(home.VARIABLE, str(folder))
        found = home.find()
        assert found == home.Home(folder, folder / "jdk", "9.1.0", reduced=False)
        assert found.analyzes
        assert home.fetch(lambda what, done, total: None) == found

    def test_a_reduced_one_is_left_as_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = distribution(tmp_path / "reduced", "8.19.21")
        monkeypatch.setenv(home.VARIABLE, str(folder))
        with pytest.raises(EnvironmentLacks, match="needs Java 17"):
            home.find()
        monkeypatch.setenv("JAVA_HOME", str(jdk(tmp_path / "jdk", "17")))
        found = home.find()
        assert found == home.Home(folder, tmp_path / "jdk", "8.19.21", reduced=True)
        assert not found.analyzes
        assert not (folder / "plugins").exists()

    @pytest.mark.parametrize("what", ["", "not/there", "bin"])
    def test_a_wrong_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv(home.VARIABLE, f"{tmp_path}/{what}")
        with pytest.raises(EnvironmentLacks, match="is no Elasticsearch distribution"):
            home.find()

    def test_one_that_the_client_does_not_speak_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = distribution(tmp_path / "old", "7.17.29")
        monkeypatch.setenv(home.VARIABLE, str(folder))
        with pytest.raises(EnvironmentLacks, match=r"is Elasticsearch 7\.17\.29"):
            home.find()


class TestFetched:
    @pytest.fixture(autouse=True)
    def _java(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JAVA_HOME", str(jdk(tmp_path / "jdk", "17")))

    @pytest.fixture(autouse=True)
    def _plugin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No compiler: `tests/real` compiles it against the real server."""

        def install(folder: Path, version: str, java: Path) -> None:
            made = folder / "plugins" / plugin.NAME
            made.mkdir(parents=True, exist_ok=True)
            (made / "digest").write_text(plugin._digest(version))

        monkeypatch.setattr(plugin, "install", install)

    def test_none_is_here_yet(self) -> None:
        with pytest.raises(EnvironmentLacks, match="not here yet") as caught:
            home.find()
        assert "scalelab up search" in caught.value.hint

    def test_it_is_fetched_once(self, repository: Repository, tmp_path: Path) -> None:
        repository.publish(_archive(), "sha1")
        seen: list[tuple[str, int, int]] = []
        found = home.fetch(lambda *progress: seen.append(progress))
        assert found == home.Home(home.cached(), tmp_path / "jdk", maven.VERSION, reduced=True)
        assert found.analyzes
        modes = {
            path.name: path.stat().st_mode & 0o777
            for path in (found.folder / "bin" / "elasticsearch", found.folder / "config")
        }
        assert modes == {"elasticsearch": 0o755, "config": 0o755}
        assert (found.folder / "config" / "jvm.options").stat().st_mode & 0o777 == 0o644
        for what in {what for what, _, _ in seen}:
            assert [done == total for name, done, total in seen if name == what].count(True) == 1
        asked = list(repository.asked)
        assert home.fetch(lambda *progress: None) == home.find() == found
        assert repository.asked == asked
        assert sorted(path.name for path in found.folder.parent.iterdir()) == ["8.19.21", "lock"]

    def test_without_java_nothing_is_fetched(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("JAVA_HOME")
        with pytest.raises(EnvironmentLacks, match="needs Java"):
            home.fetch(lambda what, done, total: None)
        assert not repository.asked

    def test_the_users_own_maven_repository_is_looked_into_first(
        self, repository: Repository, user: Path
    ) -> None:
        path = user / ".m2" / "repository" / PATH.lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_bytes(_archive())
        assert home.fetch(lambda what, done, total: None).folder == home.cached()
        assert not repository.asked
        assert path.is_file()

    @pytest.mark.parametrize("damage", ["half", "changed"])
    def test_half_a_file_there_is_passed_over(
        self, repository: Repository, user: Path, damage: str
    ) -> None:
        path = user / ".m2" / "repository" / PATH.lstrip("/")
        path.parent.mkdir(parents=True)
        good = _archive()
        changed = bytearray(good)
        changed[2000] ^= 1
        path.write_bytes(good[: len(good) // 2] if damage == "half" else changed)
        repository.publish(good, "sha1")
        assert home.fetch(lambda what, done, total: None).folder == home.cached()
        assert repository.archives == ["all"]

    def test_what_is_published_but_no_archive_of_it(self, repository: Repository) -> None:
        for content in (b"no archive", _archive("8.0.0")):
            repository.publish(content, "sha1")
            with pytest.raises(EnvironmentLacks, match="is no archive of it"):
                home.fetch(lambda what, done, total: None)
            assert [path.name for path in home.cached().parent.iterdir()] == ["lock"]

    def test_one_that_ends_while_it_unpacks_leaves_nothing_that_counts(
        self, repository: Repository
    ) -> None:
        repository.publish(_archive(), "sha1")

        def interrupted(what: str, done: int, total: int) -> None:
            if what.startswith("unpacking"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            home.fetch(interrupted)
        with pytest.raises(EnvironmentLacks, match="not here yet"):
            home.find()
        (home.cached().parent / ".unpacking-killed" / "x").mkdir(parents=True)
        assert home.fetch(lambda what, done, total: None).analyzes
        assert sorted(path.name for path in home.cached().parent.iterdir()) == ["8.19.21", "lock"]
        assert repository.archives == ["all", f"bytes={len(repository.files[PATH])}-"]

    def test_two_at_once_fetch_it_once(self, repository: Repository) -> None:
        repository.publish(_archive(), "sha1")
        found: list[home.Home] = []
        first, second = threading.Event(), threading.Event()

        def slow(what: str, done: int, total: int) -> None:
            first.set()
            assert second.wait(30)

        def waiting(what: str, done: int, total: int) -> None:
            assert what.startswith("waiting for another scalelab")
            second.set()

        def other() -> None:
            assert first.wait(30)
            found.append(home.fetch(waiting))

        thread = threading.Thread(target=other)
        thread.start()
        found.append(home.fetch(slow))
        thread.join()
        assert found[0] == found[1]
        assert repository.archives == ["all"]

    def test_a_cache_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        with pytest.raises(EnvironmentLacks, match="could not be put into") as caught:
            home.fetch(lambda what, done, total: None)
        assert "XDG_CACHE_HOME" in caught.value.hint

    def test_an_older_plugin_is_made_anew(self, repository: Repository) -> None:
        repository.publish(_archive(), "sha1")
        folder = home.fetch(lambda what, done, total: None).folder
        mark = folder / "plugins" / plugin.NAME / "digest"
        mark.write_text("of older sources")
        assert home.find().analyzes
        assert mark.read_text() != "of older sources"

    def test_our_own_may_be_named_too(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        repository.publish(_archive(), "sha1")
        found = home.fetch(lambda what, done, total: None)
        monkeypatch.setenv(home.VARIABLE, str(found.folder))
        assert home.find() == found


def test_the_plugin_has_a_class_for_each_name() -> None:
    found = {name for names in plugin.components().values() for name in names}
    assert {"english", "asciifolding", "edge_ngram", "synonym", "stemmer", "keyword"} <= found
    classes = [made for names in plugin.components().values() for made in names.values()]
    assert len(set(classes)) == len(classes)
    for made in classes:
        assert (plugin._SOURCES / "src" / f"{made.rpartition('.')[2]}.java").is_file()
