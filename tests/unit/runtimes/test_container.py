"""Containers described and Docker's answers read, without a daemon."""

from __future__ import annotations

import io
import tarfile

import pytest

from scalelab.model import Address, Budget, Launch, Node, Place
from scalelab.runtimes import boot, container, container_memory


@pytest.fixture
def place() -> Place:
    return Place(
        cluster="c",
        node=Node("cache", "redis", "cache"),
        client=Address("127.0.0.1", 20_000),
        peer=Address("cache", 6379),
        bind=Address("0.0.0.0", 6379),
        data_dir="/data",
        conf_dir=container.CONF_DIR,
        password="secret",
        budget=Budget(),
    )


def test_files_belong_to_the_server_alone(place: Place) -> None:
    launch = Launch(run=("server",), files={"cache.conf": "requirepass secret\n"})
    files = boot.files(launch, place, prepared=False)
    with tarfile.open(fileobj=io.BytesIO(container.archive(place, files, uid=999))) as tar:
        members = {member.name: member for member in tar}
        texts = {m.name: tar.extractfile(m).read().decode() for m in tar if m.isfile()}  # type: ignore[union-attr]
    assert set(members) == {"scalelab", "scalelab/cache.conf", "scalelab/boot.sh"}
    assert members["scalelab"].mode == 0o700
    assert {m.mode for m in members.values() if m.isfile()} == {0o600}
    assert {(m.uid, m.gid) for m in members.values()} == {(999, 999)}
    assert texts["scalelab/cache.conf"] == "requirepass secret\n"
    assert "secret" not in texts["scalelab/boot.sh"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"ExitCode": 0}, "exit code 0"),
        ({"ExitCode": 1}, "exit code 1"),
        ({"ExitCode": 137}, "exit code 137 (SIGKILL)"),
        ({"ExitCode": 255}, "exit code 255"),
        ({"ExitCode": 137, "OOMKilled": True}, "killed for using more than its memory (256 MB)"),
        ({"ExitCode": 128, "Error": "port is taken"}, "port is taken"),
    ],
)
def test_ending_says_why(state: dict[str, object], said: str) -> None:
    assert container.ending(state, Budget()) == said


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10.5Z", 10.5),
        ("1970-01-01T00:00:10.123456789Z", 10.123456789),
    ],
)
def test_time_stamps_have_nanoseconds(stamp: str, expected: float) -> None:
    assert container.seconds(stamp) == pytest.approx(expected)


def test_lines_are_whole_however_they_arrive() -> None:
    assert list(container.lines([b"a\nb", b"c\r\n", "é\n".encode(), b"last"])) == [
        "a",
        "bc",
        "é",
        "last",
    ]


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30}}}, 70),
        ({"memory_stats": {"usage": 100, "stats": {"inactive_file": 40}}}, 60),
        ({"memory_stats": {}}, None),
        ({}, None),
    ],
)
def test_memory_leaves_the_file_cache_out(stats: dict[str, object], used: int | None) -> None:
    assert container_memory.from_stats(stats) == used
