"""A syncer's configuration: read strictly, and passwords never where others may read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scalelab import catalog
from scalelab.errors import UnknownName, UsageError
from scalelab.model import Address, Budget, Place
from scalelab.services.syncer import SERVICE
from scalelab.syncing import config, strategies

_SERVER = {"host": "127.0.0.1", "port": 1, "user": "lab"}


def written(folder: Path, **changes: object) -> Path:
    said = {
        "strategy": "outbox",
        "postgres": _SERVER,
        "elasticsearch": _SERVER,
        "listen": ["127.0.0.1", 2],
        "passwords": "passwords.json",
        **changes,
    }
    (folder / "syncer.json").write_text(json.dumps(said))
    secrets = folder / "passwords.json"
    secrets.write_text(json.dumps({"postgres": "one", "elasticsearch": "two"}))
    secrets.chmod(0o600)
    return folder / "syncer.json"


def test_a_file_is_read_and_passwords_are_not_shown(tmp_path: Path) -> None:
    found = config.read(written(tmp_path, batch=7))
    assert (found.postgres.password, found.elasticsearch.password) == ("one", "two")
    assert (found.batch, found.listen) == (7, ("127.0.0.1", 2))
    assert "one" not in repr(found)


def test_passwords_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "passwords.json").chmod(0o644)
    with pytest.raises(UsageError, match="others may read"):
        config.read(path)


@pytest.mark.parametrize("changes", [{"strange": 1}, {"listen": []}, {"postgres": {}}])
def test_what_is_no_configuration_is_said(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="is no configuration of a syncer"):
        config.read(written(tmp_path, **changes))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        config.read(tmp_path / "none.json")


def test_strategies_are_found_by_name() -> None:
    assert strategies.names() == ["batch", "cdc", "outbox"]
    with pytest.raises(UnknownName, match="'outbx'"):
        strategies.find("outbx")


@pytest.mark.parametrize("sync", ["batch", "outbox", "cdc"])
def test_the_service_writes_what_the_program_reads(tmp_path: Path, sync: str) -> None:
    places = {}
    for number, node in enumerate(catalog.topology("hybrid", {"sync": sync}).nodes, start=1):
        at = Address("127.0.0.1", number)
        conf = str(tmp_path)
        places[node.name] = Place("c", node, at, at, at, conf, conf, f"secret{number}", Budget())
    launch = SERVICE.launch(places["syncer"], places)
    assert "secret" not in " ".join(
        [*launch.run, *launch.env.values(), launch.files["syncer.json"]]
    )
    for name, text in launch.files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    found = config.read(tmp_path / "syncer.json")
    assert (found.strategy, found.postgres.port, found.elasticsearch.port) == (sync, 1, 2)
    assert (found.postgres.password, found.elasticsearch.password) == ("secret1", "secret2")
    assert strategies.find(found.strategy)


def test_dual_writes_need_no_syncer() -> None:
    nodes = catalog.topology("hybrid", {"sync": "dual"}).nodes
    assert [node.name for node in nodes] == ["primary", "search"]
