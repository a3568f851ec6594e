"""The offline images are made and laid out as the official ones are."""

from __future__ import annotations

import pytest
from docker import DockerClient

from scalelab import catalog
from scalelab.errors import EnvironmentLacks
from scalelab.runtimes import image_recipes, images
from tests.real.docker_fixtures import daemon

__all__ = ["daemon"]
pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("daemon")]


@pytest.fixture(scope="module")
def built(docker_ready: None) -> tuple[str, ...]:
    """The offline images, just built (from the builder's cache where nothing changed)."""
    said: list[str] = []
    tags = images.build(catalog.services, None, said.append)
    assert len(said) >= len(tags)
    return tags


def _run(daemon: DockerClient, tag: str, script: str) -> list[str]:
    container = daemon.containers.run(tag, ["sh", "-c", script], network_mode="none", detach=True)
    try:
        container.wait(timeout=300)
        return str(container.logs().decode()).split("\n")[:-1]
    finally:
        container.remove(force=True, v=True)


def test_postgres_is_laid_out_as_the_official_image(
    built: tuple[str, ...], daemon: DockerClient
) -> None:
    tag = catalog.services["postgres"].image.offline
    assert tag in built
    config = daemon.images.get(tag).attrs["Config"]
    assert config["StopSignal"] == "SIGINT"
    assert list(config["Volumes"]) == ["/var/lib/postgresql"]
    assert list(config["ExposedPorts"]) == ["5432/tcp"]
    assert config["User"] == "postgres"
    assert "PGDATA=/var/lib/postgresql/18/docker" in config["Env"]
    script = (
        "id -u; id -g; stat -c '%a %U' /var/lib/postgresql; stat -c '%a %U' /var/run/postgresql;"
        "command -v postgres; postgres --version | cut -d. -f1; locale charmap;"
        "for tool in psql initdb pg_basebackup pg_rewind pgbench; do"
        " $tool --version > /dev/null || echo $tool; done; echo ok"
    )
    assert _run(daemon, tag, script) == [
        "999",
        "999",
        "1777 postgres",
        "3777 postgres",
        "/usr/lib/postgresql/18/bin/postgres",
        "postgres (PostgreSQL) 18",
        "UTF-8",
        "ok",
    ]


def test_valkey_is_laid_out_as_the_official_image(
    built: tuple[str, ...], daemon: DockerClient
) -> None:
    tag = catalog.services["redis"].image.offline
    assert tag in built
    config = daemon.images.get(tag).attrs["Config"]
    assert list(config["Volumes"]) == ["/data"]
    assert config["WorkingDir"] == "/data"
    assert config["User"] == "valkey"
    script = (
        "id -u; id -g; stat -c '%a %U' /data; command -v valkey-server;"
        "valkey-server --version | grep -o 'v=9'"
    )
    assert _run(daemon, tag, script) == [
        "999",
        "999",
        "755 valkey",
        "/usr/local/bin/valkey-server",
        "v=9",
    ]


def test_elasticsearch_is_laid_out_as_the_official_image(
    java_ready: None, built: tuple[str, ...], daemon: DockerClient
) -> None:
    tag = catalog.services["elasticsearch"].image.offline
    assert tag in built
    config = daemon.images.get(tag).attrs["Config"]
    assert config["User"] == "1000:0"
    assert config["WorkingDir"] == "/usr/share/elasticsearch"
    assert sorted(config["ExposedPorts"]) == ["9200/tcp", "9300/tcp"]
    assert not config["Volumes"]
    script = (
        "id -un; id -u; id -g; stat -c '%a %U' data config; readlink /bin/sh;"
        " command -v elasticsearch; touch data/x config/x && echo written;"
        " ls plugins; elasticsearch --version 2> /dev/null | cut -d, -f1"
    )
    assert _run(daemon, tag, script) == [
        "elasticsearch",
        "1000",
        "0",
        "775 elasticsearch",
        "775 elasticsearch",
        "bash",
        "/usr/share/elasticsearch/bin/elasticsearch",
        "written",
        "scalelab-analysis",
        f"Version: {catalog.services['elasticsearch'].version().split(',')[0]}",
    ]


def test_the_syncer_has_all_it_imports(built: tuple[str, ...], daemon: DockerClient) -> None:
    tag = catalog.services["syncer"].image.offline
    assert tag in built
    modules = "psycopg, ssl, http.server, importlib, scalelab.syncing.__main__"
    script = (
        "id -u; stat -c '%a %U' .; command -v python3;"
        f" python3 -c 'import {modules}; print(psycopg.pq.__impl__)';"
        " for name in /opt/syncer/packages/scalelab/syncing/strategies/[a-z]*.py; do"
        ' python3 -c "import scalelab.syncing.strategies.$(basename $name .py)"; done; echo ok'
    )
    assert _run(daemon, tag, script) == [
        "999",
        "700 syncer",
        "/opt/syncer/python/bin/python3",
        "binary",
        "ok",
    ]


def test_the_small_cache_client(built: tuple[str, ...], daemon: DockerClient) -> None:
    script = """
        valkey-server --port 6379 --requirepass secret --save '' > /dev/null &
        export VALKEYCLI_AUTH=secret
        until valkey-cli ping 2> /dev/null; do :; done
        valkey-cli set key 'two words'
        valkey-cli get key
        valkey-cli get nothing
        printf 'mget key "other"\\nllen key\\n' | valkey-cli
        VALKEYCLI_AUTH=wrong valkey-cli ping 2>&1 || echo refused
        valkey-cli shutdown nosave || true
        wait
    """
    lines = _run(daemon, catalog.services["redis"].image.offline, script)
    assert lines[:4] == ["PONG", "OK", "two words", "(nil)"]
    assert lines[4:6] == ["two words", "(nil)"]
    assert lines[6].startswith("(error) WRONGTYPE")
    assert lines[7].startswith("(error) WRONGPASS")
    assert lines[8] == "refused"


def test_a_base_that_is_not_there_is_named(docker_ready: None) -> None:
    with pytest.raises(EnvironmentLacks, match="scalelab/no-such-base") as caught:
        images.build(catalog.services, "scalelab/no-such-base:1", lambda line: None)
    assert "--base" in caught.value.hint


def test_what_is_not_here_is_left_out(docker_ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise EnvironmentLacks("it is not installed", "install it")

    valkey = catalog.services["redis"]
    others = {recipe.service for recipe in image_recipes.RECIPES} - {"redis"}
    for name in others:
        monkeypatch.setattr(catalog.services[name], "binaries", missing)
    said: list[str] = []
    assert images.build(catalog.services, None, said.append) == (valkey.image.offline,)
    assert sum("is left out: it is not installed (install it)" in line for line in said) == len(
        others
    )
    monkeypatch.setattr(valkey, "binaries", missing)
    with pytest.raises(EnvironmentLacks, match="no server here"):
        images.build(catalog.services, None, said.append)
