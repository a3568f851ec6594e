"""What a link is called, and what a user may call it."""

import pytest

from scalelab import catalog, links
from scalelab.errors import UnknownName, UsageError
from scalelab.model import Address, Budget, Cluster, Place, Route


def places(topology, **params):
    return {
        node.name: Place(
            cluster="shop",
            node=node,
            client=Address("127.0.0.1", 20_000 + number),
            peer=Address(node.name, 5432),
            bind=Address("127.0.0.1", 5432),
            data_dir="data",
            conf_dir="conf",
            password="secret",
            budget=Budget(),
        )
        for number, node in enumerate(catalog.topology(topology, params).nodes)
    }


def test_every_link_is_named_from_the_end_that_connects():
    assert links.names(places("replication", replicas=1)) == [
        "replica1--primary",
        "client--primary",
        "client--replica1",
    ]


@pytest.mark.parametrize(
    ("target", "link"),
    [
        ("primary", "client--primary"),
        ("client--replica1", "client--replica1"),
        ("replica1--client", "client--replica1"),
        ("replica2--primary", "replica2--primary"),
        ("primary--replica2", "replica2--primary"),
    ],
)
def test_a_link_either_way_round(target, link):
    assert links.find(target, "shop", places("replication")) == link


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("primry", "did you mean 'primary'?"),
        ("replica1--primry", "did you mean 'primary'?"),
        ("clent--primary", "did you mean 'client'?"),
    ],
)
def test_a_wrong_name_gets_the_near_one(target, says):
    with pytest.raises(UnknownName) as caught:
        links.find(target, "shop", places("replication"))
    assert says in caught.value.hint


@pytest.mark.parametrize("target", ["replica1--replica2", "client--client", "primary--primary"])
def test_nodes_that_do_not_speak_with_each_other(target):
    with pytest.raises(UsageError, match="there is no link") as caught:
        links.find(target, "shop", places("replication"))
    assert "replica2--primary" in caught.value.hint


def cluster(*routes):
    topology = catalog.topology("replication", {})
    at = places("replication")
    return Cluster("shop", "docker", topology, at, Budget(), "up", 0.0, routes=routes)


def test_users_see_a_relay_once_it_runs_and_followers_theirs():
    relay = Address("127.0.0.1", 29_000)
    client = Route("client--primary", "x", relay, Address("127.0.0.1", 20_000))
    assert cluster(client).seen().places["primary"].client.port == 20_000
    running = Route("client--primary", "x", relay, client.target, pid=7, started=1.0)
    seen = cluster(running).seen()
    assert seen.places["primary"].client == relay
    assert seen.places["replica1"].client.port == 20_001
    assert cluster(running).peers("replica1")["primary"].peer == Address("primary", 5432)
    between = Route("replica1--primary", "y", Address("172.18.0.1", 29_001), client.target, 8, 1.0)
    assert cluster(between).peers("replica1")["primary"].peer == Address("172.18.0.1", 29_001)
    assert cluster(between).peers("replica2")["primary"].peer == Address("primary", 5432)
    assert cluster(between).seen() == cluster(between)
