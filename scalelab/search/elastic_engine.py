"""Asks Elasticsearch a question, however deep the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scalelab.search import elastic_query, server
from scalelab.search.answer import Answer, Count, Hit, squeeze
from scalelab.search.collection import Collection, value
from scalelab.search.elastic_query import WINDOW
from scalelab.search.question import Question

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_KEEP = "1m"
_MS = 1e6


class Elastic:
    """One index, or what an alias or a pattern names."""

    name = "es"

    def __init__(self, client: Elasticsearch, collection: Collection) -> None:
        self.client = client
        self.collection = collection

    @property
    def path(self) -> str:
        """Where searches of the index are sent."""
        return f"/{quote(self.collection.name, safe=',*')}/_search"

    def ask(self, asked: Question) -> Answer:
        """The answer to one question.

        Raises
        ------
        UsageError, ScalelabError : see ``server.send`` and ``Collection.check``.
        """
        self.collection.check(asked)
        body = elastic_query.body(asked, self.collection)
        if asked.skip + asked.size <= WINDOW:
            return self._answer(asked, server.send(self.client, "POST", self.path, body))
        return self._walk(asked, body)

    def _walk(self, asked: Question, body: dict[str, Any]) -> Answer:
        """A page deeper than ``from`` goes: by point in time, over all that is before it."""
        name = quote(self.collection.name, safe=",*")
        opened = server.send(self.client, "POST", f"/{name}/_pit?keep_alive={_KEEP}")
        pit, after, took = opened["id"], None, 0.0
        try:
            light = {k: v for k, v in body.items() if k in ("query", "sort", "track_scores")}
            for size in _steps(asked.skip):
                step = {**light, "size": size, "_source": False, "track_total_hits": False}
                found = self._step(step, pit, after)
                pit, took = found.get("pit_id", pit), took + found["took"]
                hits = found["hits"]["hits"]
                if len(hits) < size:  # the page is beyond the last one
                    after = None
                    break
                after = hits[-1]["sort"]
            last = {**body, "size": asked.size if after else 0}
            found = self._step(last, pit, after)
        finally:
            server.send(self.client, "DELETE", "/_pit", {"id": pit})
        answer = self._answer(asked, found)
        return replace(answer, took_ms=answer.took_ms + took)

    def _step(self, body: dict[str, Any], pit: str, after: list[Any] | None) -> Any:
        # The tie-breaker (_shard_doc) is added by the server; without a sort it must be named.
        step = {"sort": [{"_score": "desc"}], **body, "pit": {"id": pit, "keep_alive": _KEEP}}
        if after is not None:
            step["search_after"] = after
        return server.send(self.client, "POST", "/_search", step)

    def _answer(self, asked: Question, found: Mapping[str, Any]) -> Answer:
        aggregations = found.get("aggregations", {})
        return Answer(
            engine=self.name,
            total=int(found["hits"]["total"]["value"]),
            took_ms=float(found["took"]),
            hits=tuple(hit(each, self.collection) for each in found["hits"]["hits"]),
            facets={name: _counts(aggregations[name]) for name in asked.facets},
            profile=tuple(profile(found)),
            notes=tuple(notes(found)),
        )


def hit(found: Mapping[str, Any], collection: Collection) -> Hit:
    """A hit of a response, with the title and the snippet that are shown."""
    source = found.get("_source", {})
    marked = found.get("highlight", {})
    title = collection.title
    named = value(source, title) if title else None
    return Hit(
        id=str(found["_id"]),
        score=found.get("_score"),
        title=squeeze(str(named if named else found["_id"])),
        snippet=_snippet(source, marked, collection),
        source=source,
        explanation=found.get("_explanation"),
    )


def notes(found: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer that came all the same."""
    shards = found.get("_shards", {})
    if failed := shards.get("failed"):
        said = server.reason({"error": shards["failures"][0]["reason"]})[0]
        yield f"{failed} of {shards['total']} shards did not answer, their hits are missing: {said}"
    if found.get("timed_out"):
        yield "the search was ended by its time-out: hits are missing"


def profile(found: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The parts of each shard's work with their times, as lines with their depths."""
    for shard in found.get("profile", {}).get("shards", ()):
        yield 0, f"shard {shard.get('id', '')}"
        for search in shard.get("searches", ()):
            for query in search.get("query", ()):
                yield from _part(1, query)
            for collector in search.get("collector", ()):
                yield from _part(
                    1, {"type": "collect", "description": collector["name"], **collector}
                )
        for aggregation in shard.get("aggregations", ()):
            yield from _part(1, aggregation)
        if fetch := shard.get("fetch"):
            yield from _part(1, {**fetch, "description": "", "children": ()})


def _part(depth: int, part: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    ms = part.get("time_in_nanos", 0) / _MS
    name = part.get("type") or part.get("name", "")
    yield depth, f"{ms:.2f} ms  {name} {part.get('description', '')}".rstrip()
    for child in part.get("children", ()):
        yield from _part(depth + 1, child)


def _snippet(
    source: Mapping[str, Any], marked: Mapping[str, list[str]], collection: Collection
) -> str:
    """What matched outside of the title, else in it, else how the text begins."""
    others = [" … ".join(each) for name, each in marked.items() if name != collection.title]
    if others:
        return squeeze(max(others, key=len))  # a sentence says more than a name that matched
    texts = [each.name for each in collection.fields if each.name != collection.title]
    begun = max((str(value(source, name) or "") for name in texts), key=len, default="")
    return squeeze(begun, 160)


def _counts(facet: Mapping[str, Any]) -> tuple[Count, ...]:
    return tuple(
        Count(str(each.get("key_as_string", each["key"])), int(each["doc_count"]))
        for each in facet["buckets"]
    )


def _steps(skip: int) -> Iterator[int]:
    for begin in range(0, skip, WINDOW):
        yield min(WINDOW, skip - begin)
