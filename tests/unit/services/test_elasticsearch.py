"""The files an Elasticsearch node boots from."""

from __future__ import annotations

import json
from dataclasses import replace

import bcrypt
import pytest
from cryptography import x509

from scalelab import catalog
from scalelab.errors import EnvironmentLacks
from scalelab.model import Address, Budget, Place
from scalelab.services import _elasticsearch_files, elasticsearch

_PASSWORD = "0123456789abcdef"


def _places(nodes: int, budget: Budget | None = None) -> dict[str, Place]:
    topology = catalog.topology("search", {"nodes": nodes})
    places = {}
    for number, node in enumerate(topology.nodes):
        at, control = Address("127.0.0.1", 21000 + number), Address("127.0.0.1", 22000 + number)
        used = budget or catalog.topologies["search"].budget
        places[node.name] = Place(
            "shop", node, at, at, at, "/data", "/conf", _PASSWORD, used, control
        )
    return places


def _files(places: dict[str, Place], name: str) -> dict[str, str]:
    return dict(elasticsearch.SERVICE.launch(places[name], places).files)


def test_the_password_is_in_the_files_as_a_hash_only() -> None:
    files = _files(_places(1), "search")
    assert all(_PASSWORD not in text for text in files.values())
    user, _, hashed = files["users"].strip().partition(":")
    assert user == "lab"
    assert bcrypt.checkpw(_PASSWORD.encode(), hashed.encode())
    assert not bcrypt.checkpw(b"another", hashed.encode())
    assert files["users_roles"] == "superuser:lab\n"


def test_a_launch_is_the_same_each_time() -> None:
    places = _places(3)
    first = _files(places, "search1")
    _elasticsearch_files._certificate.cache_clear()
    assert _files(places, "search1") == first


def test_one_node_looks_for_no_other() -> None:
    files = _files(_places(1), "search")
    settings = json.loads(files["elasticsearch.yml"])
    assert settings["discovery.type"] == "single-node"
    assert settings["network.host"] == "127.0.0.1"
    assert "node.key" not in files


def test_nodes_of_one_cluster_trust_each_other_alone() -> None:
    places = _places(3)
    files = [_files(places, name) for name in ("search1", "search2", "search3")]
    settings = json.loads(files[1]["elasticsearch.yml"])
    assert settings["discovery.seed_hosts"] == [f"127.0.0.1:2200{n}" for n in (1, 2, 3)]
    assert settings["cluster.initial_master_nodes"] == ["search1", "search2", "search3"]
    assert settings["xpack.security.transport.ssl.enabled"] is True
    certificates = {each["node.crt"] for each in files}
    assert len(certificates) == 1
    certificate = x509.load_pem_x509_certificate(certificates.pop().encode())
    certificate.verify_directly_issued_by(certificate)
    others = {name: replace(place, password="another") for name, place in places.items()}
    assert _files(others, "search1")["node.key"] != files[0]["node.key"]


def test_a_small_disk_has_small_watermarks() -> None:
    small = _files(_places(1, Budget(1.0, 1024**3, 256 * 1024**2)), "search")
    settings = json.loads(small["elasticsearch.yml"])
    low = settings["cluster.routing.allocation.disk.watermark.low"]
    assert 1 <= int(low.removesuffix("mb")) <= 64


@pytest.mark.parametrize("memory", [None, 640 * 1024**2, 1024**3, 4 * 1024**3])
def test_the_heap_leaves_memory_for_the_rest(memory: int | None) -> None:
    places = _places(1, Budget(1.0, memory))
    options = elasticsearch.SERVICE.launch(places["search"], places).env["ES_JAVA_OPTS"]
    heap = int(options.split("-Xmx")[1].split("m")[0]) * 1024**2
    assert 128 * 1024**2 <= heap <= (memory or 2560 * 1024**2) / 2


def test_too_little_memory_is_said_before_anything_starts() -> None:
    with pytest.raises(EnvironmentLacks, match="too little for an Elasticsearch node"):
        elasticsearch._must_fit(1, Budget(1.0, 256 * 1024**2))
    with pytest.raises(EnvironmentLacks, match="MB of memory are free"):
        elasticsearch._must_fit(10_000, Budget(1.0, 1024**3))
