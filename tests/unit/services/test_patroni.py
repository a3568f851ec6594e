"""How members and stores of the topology ha boot: pure data, with no secret in a command."""

from __future__ import annotations

import json

import pytest

from scalelab import catalog
from scalelab.model import Address, Budget, Launch, Place

PASSWORD = "0123456789abcdef"


def places(**params: int | str) -> dict[str, Place]:
    nodes = catalog.topology("ha", params).nodes
    address = {node.name: Address("127.0.0.1", 20_000 + n) for n, node in enumerate(nodes)}
    return {
        node.name: Place(
            cluster="shop",
            node=node,
            client=address[node.name],
            peer=address[node.name],
            bind=address[node.name],
            data_dir=f"/state folder/{node.name}/data",
            conf_dir=f"/state folder/{node.name}/conf",
            password=PASSWORD,
            budget=Budget(),
            control=Address("127.0.0.1", 21_000 + n),
        )
        for n, node in enumerate(nodes)
    }


def launch(name: str, **params: int | str) -> Launch:
    everybody = places(**params)
    return catalog.services[everybody[name].node.service].launch(everybody[name], everybody)


def configured(name: str, **params: int | str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(launch(name, **params).files["patroni.json"])
    return found


@pytest.mark.parametrize("name", ["etcd1", "pg1"])
def test_a_launch_is_the_same_again_and_has_no_secret_in_a_command(name: str) -> None:
    found = launch(name)
    assert found == launch(name)
    commands = [*found.run, *(word for command in found.prepare for word in command)]
    assert PASSWORD not in " ".join([*commands, *found.env.values()])
    assert any(PASSWORD in text for text in found.files.values())


def test_members_ask_every_store_and_wait_for_all() -> None:
    assert configured("pg1", stores=3)["etcd3"]["hosts"] == [f"127.0.0.1:2000{n}" for n in range(3)]
    needs = {place.node.name: place.node.needs for place in places(stores=3).values()}
    stores = ("etcd1", "etcd2", "etcd3")
    assert needs == dict.fromkeys(stores, ()) | dict.fromkeys(("pg1", "pg2", "pg3"), stores)
    run = launch("etcd2", stores=3).run
    peers = ",".join(f"etcd{n}=http://127.0.0.1:{20_999 + n}" for n in (1, 2, 3))
    assert f"--initial-cluster={peers}" in run


def test_nobody_follows_anybody_by_the_topology() -> None:
    assert {place.node.follows for place in places().values()} == {None}


@pytest.mark.parametrize("sync", ["off", "on"])
def test_what_members_agree_on_is_no_parameter_of_the_server(sync: str) -> None:
    found = configured("pg2", sync=sync)
    assert found["bootstrap"]["dcs"]["synchronous_mode"] == sync  # type: ignore[index]
    parameters = found["postgresql"]["parameters"]
    assert not {"synchronous_mode", "port", "listen_addresses", "hba_file"} & set(parameters)  # type: ignore[call-overload]


def test_everybody_listens_where_the_place_says_and_asks_for_the_password() -> None:
    found = configured("pg1")
    assert found["postgresql"]["listen"] == "127.0.0.1:20001"
    assert found["restapi"]["listen"] == "127.0.0.1:21001"
    assert found["restapi"]["authentication"] == {"username": "lab", "password": PASSWORD}
    hba = found["postgresql"]["pg_hba"]
    assert all(line.endswith("scram-sha-256") for line in hba)
