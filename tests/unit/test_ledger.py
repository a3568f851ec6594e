"""A ledger entry comes back as it was written, and one from before there were faults is read."""

import dataclasses
import json

import pytest

from scalelab.errors import Busy
from scalelab.ledger import Damaged, Ledger
from scalelab.model import ActiveFault, Address, Route
from tests.unit.test_links import cluster

FAULT = ActiveFault(
    id="f1",
    kind="slow",
    target="primary",
    link="client--primary",
    inverse="lift",
    options={"latency": 0.05, "jitter": 0.0},
    created=1.5,
    until=11.5,
    owner=(7, 1.25),
)
ROUTE = Route(
    "client--primary", "x", Address("127.0.0.1", 29_000), Address("127.0.0.1", 20_000), 8, 2.0
)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def written(ledger, entry):
    with ledger.lock():
        ledger.write(entry)
    return ledger.folder / "clusters" / "shop.json"


def test_faults_and_routes_come_back(ledger):
    entry = dataclasses.replace(cluster(ROUTE), faults=(FAULT,))
    written(ledger, entry)
    assert ledger.read("shop") == entry


def test_what_a_node_needs_and_its_control_address_come_back(ledger):
    entry = cluster()
    node = dataclasses.replace(entry.places["primary"].node, needs=("replica1",))
    place = dataclasses.replace(
        entry.places["primary"], node=node, control=Address("127.0.0.1", 21_000)
    )
    topology = dataclasses.replace(entry.topology, nodes=(node, *entry.topology.nodes[1:]))
    entry = dataclasses.replace(entry, topology=topology, places={**entry.places, "primary": place})
    written(ledger, entry)
    assert ledger.read("shop") == entry


def test_an_entry_from_before_there_were_faults(ledger):
    path = written(ledger, cluster())
    data = json.loads(path.read_text())
    del data["faults"], data["routes"]
    for place in data["places"].values():
        del place["control"], place["node"]["needs"]
    path.write_text(json.dumps(data))
    assert ledger.read("shop") == cluster()


@pytest.mark.parametrize("wrong", [[{"id": "f1"}], [7], "f1", 7])
def test_faults_that_are_none_are_damage(ledger, wrong):
    path = written(ledger, cluster())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"faults": wrong}))
    with pytest.raises(Damaged):
        ledger.read("shop")


def test_only_one_acts(ledger, tmp_path):
    with ledger.acting(), pytest.raises(Busy), Ledger(tmp_path).acting(patience_s=0):
        pass
    with Ledger(tmp_path).acting(patience_s=0):
        pass


def test_a_change_is_made_of_what_is_there(ledger):
    written(ledger, cluster())
    changed = ledger.change("shop", lambda c: dataclasses.replace(c, faults=(*c.faults, FAULT)))
    assert changed.faults == (FAULT,)
    assert ledger.read("shop") == changed
