"""Blocking Elasticsearch clients, to set up and to inspect; the hot loop has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalelab.model import Place, Places

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def nodes(places: Places) -> list[Place]:
    """The nodes of Elasticsearch, first one first."""
    return [place for place in places.values() if place.node.service == "elasticsearch"]


def connect(place: Place, patience_s: float = 10.0) -> Elasticsearch:
    """A client of one node, to be closed; a request is sent once. Nothing is sent yet.

    Parameters
    ----------
    patience_s : seconds that an answer may take.
    """
    return _client([place], patience_s, retries=0)


def client(places: Places, patience_s: float = 30.0) -> Elasticsearch:
    """A client of all nodes, to be closed: what one does not answer is asked of another."""
    return _client(nodes(places), patience_s, retries=3)


def answers(place: Place, patience_s: float = 3.0) -> bool:
    """Whether a node can name its cluster: it knows a master then."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    try:
        with connect(place, patience_s) as asked:
            asked.cluster.health(timeout=f"{patience_s}s")
    except (ApiError, TransportError):
        return False
    return True


def _client(asked: list[Place], patience_s: float, retries: int) -> Elasticsearch:
    # Imported on use: it takes longer than most commands that need none.
    from elasticsearch import Elasticsearch

    return Elasticsearch(
        [f"http://{place.client}" for place in asked],
        basic_auth=("lab", asked[0].password),
        request_timeout=patience_s,
        max_retries=retries,
        retry_on_timeout=False,  # what timed out may have been done
    )
