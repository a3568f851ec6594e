"""Where the daemon is looked for, and no foreign error gets through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
import urllib3
from docker.context.config import get_context_id
from docker.errors import APIError, DockerException

from scalelab.errors import EnvironmentLacks, PortTaken, UsageError
from scalelab.runtimes import daemon


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def _context(folder: Path, name: str, host: str) -> None:
    meta = folder / "contexts" / "meta" / get_context_id(name)
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    document = {"Name": name, "Metadata": {}, "Endpoints": endpoints}
    (meta / "meta.json").write_text(json.dumps(document))


def test_the_current_context_is_followed(tmp_path: Path) -> None:
    _context(tmp_path, "lab", "tcp://far.example:2375")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "lab"}))
    assert daemon.host() == "tcp://far.example:2375"
    assert daemon.remote_host() == "far.example"


def test_a_named_context_wins_and_docker_host_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _context(tmp_path, "lab", "tcp://far.example:2375")
    _context(tmp_path, "other", "ssh://me@other.example")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "lab"}))
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert daemon.host() == "ssh://me@other.example"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/elsewhere.sock")
    assert daemon.host() == "unix:///run/elsewhere.sock"
    assert daemon.remote_host() == ""


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("tcp://127.0.0.1:2375", ""),
        ("tcp://[::1]:2375", ""),
        ("tcp://10.0.0.7:2376", "10.0.0.7"),
        ("ssh://me@far.example:22", "far.example"),
        ("unix:///var/run/docker.sock", ""),
    ],
)
def test_remote_or_not(url: str, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    assert daemon.remote_host() == remote


def test_an_unknown_context_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EnvironmentLacks, match="no Docker context 'nowhere'"):
        daemon.connect()


def test_no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(EnvironmentLacks, match="no Docker daemon answers at") as caught:
        daemon.connect()
    assert caught.value.exit_code == 4
    assert "local" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (
            "driver failed: Bind for 127.0.0.1:20001 failed: port is already allocated",
            PortTaken,
            "port 127.0.0.1:20001 is taken",
        ),
        (
            "listen tcp4 127.0.0.1:20001: bind: address already in use",
            PortTaken,
            "port 127.0.0.1:20001 is taken",
        ),
        ("write /x: no space left on device", EnvironmentLacks, "disk of the Docker host is full"),
        (
            "could not find an available, non-overlapping IPv4 address pool",
            EnvironmentLacks,
            "no free network addresses",
        ),
        ("something new", EnvironmentLacks, "Docker refused, starting x: something new"),
    ],
)
def test_refusals_are_explained(said: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message), daemon.translated("starting x"):
        raise APIError("500 Server Error", explanation=said)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DockerException("Error while fetching: PermissionError(13, 'Permission denied')"), "may"),
        (requests.ReadTimeout("read timed out"), "does not answer in time"),
        (requests.ConnectionError("refused"), "no Docker daemon answers"),
        (urllib3.exceptions.ProtocolError("broken"), "no Docker daemon answers"),
        (BrokenPipeError("broken"), "no Docker daemon answers"),
    ],
)
def test_lost_connections_are_explained(error: Exception, message: str) -> None:
    with pytest.raises(EnvironmentLacks, match=message), daemon.translated("starting x"):
        raise error


def test_our_own_errors_pass_unchanged() -> None:
    with pytest.raises(UsageError, match="mine"), daemon.translated("starting x"):
        raise UsageError("mine")
