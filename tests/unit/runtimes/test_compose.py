"""The exported Compose files: committed as generated, safe with secrets, faithful to the shell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scalelab import catalog
from scalelab.errors import EnvironmentLacks
from scalelab.model import Budget
from scalelab.runtimes import compose

_COMMITTED = Path(__file__).parents[3] / "compose"
_NAMES = [path.stem for path in sorted(_COMMITTED.glob("*.yaml"))]


def _document(name: str, budget: Budget | None = None, **given: int | str) -> str:
    topology = catalog.topology(name, given)
    return compose.document(topology, catalog.services.__getitem__, budget or Budget())


@pytest.mark.parametrize("name", ["caching", "replication", "sharding", "single"])
def test_the_committed_file_is_the_output(name: str) -> None:
    committed = (_COMMITTED / f"{name}.yaml").read_text()
    assert committed == _document(name), (
        f"make it anew: scalelab compose {name} > compose/{name}.yaml"
    )


@pytest.mark.parametrize("name", _NAMES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    services = yaml.safe_load(_document(name))["services"].values()
    ports = [port for service in services for port in service["ports"]]
    assert len(ports) == len(set(ports)) == len(catalog.topology(name).nodes)
    assert all(port.startswith("127.0.0.1:${SCALELAB_PORT_") for port in ports)


@pytest.mark.parametrize("name", _NAMES)
def test_the_password_comes_from_the_environment(name: str) -> None:
    text = _document(name)
    assert "@SCALELAB" not in text
    for service in yaml.safe_load(text)["services"].values():
        wanted = "${SCALELAB_PASSWORD:?set it to letters and digits}"
        assert service["environment"] == {"SCALELAB_PASSWORD": wanted}
        assert "$${SCALELAB_PASSWORD}" in service["command"][0]


def test_followers_wait_for_their_leader() -> None:
    services = yaml.safe_load(_document("replication", replicas=1))["services"]
    assert services["replica1"]["depends_on"] == {"primary": {"condition": "service_healthy"}}
    assert "depends_on" not in services["primary"]


def test_budgets() -> None:
    cache = yaml.safe_load(_document("caching"))["services"]["cache"]
    assert (cache["cpu_period"], cache["cpu_quota"], cache["mem_limit"]) == (10_000, 2_000, "256m")
    free = yaml.safe_load(_document("caching", Budget(None, None)))["services"]["cache"]
    assert not {"cpu_period", "cpu_quota", "mem_limit", "memswap_limit"} & set(free)


def test_the_shell_writes_exactly_what_the_service_asked_for(tmp_path: Path) -> None:
    topology = catalog.topology("caching")
    services = yaml.safe_load(_document("caching"))["services"]
    for node in topology.nodes:
        script = services[node.name]["command"][0].replace("$$", "$")
        written = script[: script.index("unset SCALELAB_PASSWORD")]
        folder = re.search(r"mkdir -p (\S+)", written)
        assert folder is not None
        here = written.replace(folder[1], str(tmp_path / node.name))
        subprocess.run(["sh", "-c", here], env={"SCALELAB_PASSWORD": "s3cret"}, check=True)
    cache = (tmp_path / "cache" / "cache.conf").read_text()
    assert 'requirepass "s3cret"\n' in cache
    assert "PASSWORD 's3cret'" in (tmp_path / "primary" / "init.sql").read_text()
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")}
    assert modes == {0o600}


def test_special_characters_survive_the_here_document(tmp_path: Path) -> None:
    text = f"cost: $HOME `id` \\ \\\\ 'x' \"y\"\npassword: {compose._SENTINEL}"
    place = compose._places(catalog.topology("single"), catalog.services.__getitem__, Budget())[
        "primary"
    ]
    script = compose._here_document(place, "file", text).replace(place.conf_dir, str(tmp_path))
    subprocess.run(["sh", "-c", script], env={"SCALELAB_PASSWORD": "p$x`y\\z"}, check=True)
    expected = text.replace(compose._SENTINEL, "p$x`y\\z") + "\n"
    assert (tmp_path / "file").read_text() == expected


def test_a_password_that_is_hashed_cannot_be_put_in_from_outside():
    with pytest.raises(EnvironmentLacks, match="the password of elasticsearch is in its files"):
        _document("search")
